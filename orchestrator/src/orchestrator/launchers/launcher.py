"""The interface of all launchers, and what they share: a stage is started, its messages are read, it is ended."""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import dagster as dg

from libs.errors import StoreError
from libs.stage.messages import Inbox
from libs.storage.store import Store

POLL_SECONDS = 0.25

LAST_LINES = 50
"""So many lines of a stage's errors are shown where it failed."""


class Process(Protocol):
    """A stage that was started."""

    def exit_code(self) -> int | None:
        """Return the exit code, None while the stage runs."""

    def ending(self) -> str:
        """Say in words how the stage ended, with the last lines of its errors. To be asked after its end."""


class StageEndedError(dg.Failure):
    """A stage ended with another exit code than 0, or was stopped by its launcher: then it has none."""

    def __init__(self, command: Sequence[str], exit_code: int | None, ending: str) -> None:
        super().__init__(f"{' '.join(command[:2])} {ending}", metadata={"exit_code": exit_code})
        self.exit_code = exit_code


class StageLauncher(dg.ConfigurableResource[None], ABC):
    """Launches a stage. Implementations say how it is started and stopped; assets do not know which one it is."""

    @abstractmethod
    def start(
        self, command: Sequence[str], environment: Mapping[str, str], labels: Mapping[str, str]
    ) -> AbstractContextManager[Process]:
        """Start a stage; leaving the block ends it, if it still runs, and removes what is left of it.

        `environment` is added to the one that stages have. `labels` tell whose the stage is. Raises dg.Failure, in
        words for people, where the stage cannot be started.
        """

    def launch(
        self,
        context: dg.AssetExecutionContext,
        command: Sequence[str],
        store: Store,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Run a stage to its end; yield its messages, which go through the store, as they come.

        Messages are deleted once a stage has succeeded; those of one that failed stay where they are. Whatever ends
        the iteration (a cancelled run, an error) ends the stage too. Raises StageEndedError, after the last message,
        where the exit code is not 0, or where messages cannot be read any more.
        """
        inbox = Inbox(store, uuid.uuid4().hex)
        reader = _Reader(inbox)
        labels = {"dagster/run_id": context.run.run_id, "dagster/step": context.op_execution_context.op.name}
        context.log.info(f"launching: {' '.join(command)}")
        try:
            with dg.open_pipes_session(context, dg.PipesEnvContextInjector(), reader) as session:
                variables = {**(environment or {}), **session.get_bootstrap_env_vars()}
                with self.start(command, variables, labels) as process:
                    while process.exit_code() is None:
                        yield from reader.new()
                        time.sleep(POLL_SECONDS)
                    yield from reader.new()
                    exit_code, ending = process.exit_code(), process.ending()
        except StoreError as error:
            raise StageEndedError(command, None, f"was stopped, for its messages cannot be read: {error}") from error
        if exit_code:
            raise StageEndedError(command, exit_code, ending)
        try:
            inbox.clear()
        except StoreError as error:  # the work is done all the same
            context.log.warning(f"the messages of this launch stay in the store: {error}")


class _Reader(dg.PipesMessageReader):
    """Hands over to Dagster what is its own (opened, closed, logs); a stage's own messages are for the launcher."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._handler: Any = None

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, Any]]:
        self._handler = handler
        yield dict(self._inbox.params)

    def new(self) -> Iterator[dict[str, Any]]:
        for message in self._inbox.read():
            if message["method"] == "report_custom_message":
                yield message["params"]["payload"]
            else:
                self._handler.handle_message(message)

    def no_messages_debug_text(self) -> str:
        return "Messages were expected in the object store, below pipes/."


def ending(how: str, last: Sequence[str]) -> str:
    """Put together how a stage ended and the last lines of its errors."""
    return "\n".join([f"{how}:", *last] if last else [f"{how}, without a word"])
