"""Messages from a stage to whoever launched it: Dagster Pipes' protocol, each message one object of a store.

The launcher hands over a store and a launch's id in Pipes' environment variable; the stage writes its messages as
`pipes/<launch>/0.json`, `1.json`, … at once, and the launcher reads the next number until there is none. So messages
have any size, arrive in order while the stage works, and stay where it fails or is killed, whatever else it prints.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypedDict

from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    PipesMessageWriter,
    PipesMessageWriterChannel,
    open_dagster_pipes,
)

from libs import layout
from libs.errors import ConflictError
from libs.storage import open_store
from libs.storage.store import Store

Message = Mapping[str, Any]
Send = Callable[[Message], None]


class Params(TypedDict):
    """Where the messages of a launch go, as Pipes hands it over."""

    uri: str
    launch: str


def launched() -> bool:
    """Tell whether there is a launcher that messages go to."""
    return DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ


@contextmanager
def opened() -> Iterator[Send]:
    """Open the way to the launcher and yield what sends a message; where nobody launched the stage, it does nothing.

    A message is any JSON object. What sends may be called from several threads. Raises StoreError where the store
    cannot be written to.
    """
    if not launched():
        yield lambda _: None
        return
    with open_dagster_pipes(message_writer=_Writer()) as pipes:
        yield pipes.report_custom_message


class Inbox:
    """The launcher's end: the messages of one launch, in their order."""

    def __init__(self, store: Store, launch: str) -> None:
        self._store = store
        self._launch = launch
        self._next = 0

    @property
    def params(self) -> Params:
        """What the stage needs to know."""
        return {"uri": self._store.uri, "launch": self._launch}

    def read(self) -> Iterator[dict[str, Any]]:
        """Iterate over the Pipes messages that have come since the last call."""
        while (found := self._store.read_versioned(layout.message(self._launch, self._next))) is not None:
            self._next += 1
            yield json.loads(found[0])

    def clear(self) -> None:
        """Delete the messages that were read."""
        for number in range(self._next):
            self._store.delete(layout.message(self._launch, number))


class _Writer(PipesMessageWriter["_Channel"]):
    @contextmanager
    def open(self, params: Mapping[str, Any]) -> Iterator["_Channel"]:
        yield _Channel(open_store(params["uri"]), params["launch"])


class _Channel(PipesMessageWriterChannel):
    def __init__(self, store: Store, launch: str) -> None:
        self._store = store
        self._launch = launch
        self._next = 0
        self._lock = Lock()  # dbt reports from several threads

    def write_message(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(message, ensure_ascii=False).encode()
        with self._lock:
            key = layout.message(self._launch, self._next)
            try:
                self._store.write_if(key, data, None)
            except ConflictError:
                found = self._store.read_versioned(key)
                if found is None or found[0] != data:  # else it is this stage's own, retried by the client
                    raise
            self._next += 1
