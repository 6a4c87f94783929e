"""Stages as containers of a Docker engine."""

import os
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import dagster as dg
import docker
import docker.errors
import docker.types
from pydantic import Field
from requests.exceptions import RequestException

from orchestrator.launchers.launcher import LAST_LINES, Process, StageLauncher, ending

LABEL = "shop_elt/stage"
"""Every container of a stage has this label; its value is the stage."""

RUN_LABEL = "dagster/run_id"

_NOBODY_WAITS = 5.0
_GONE = 137
_DOCKER_ERRORS = (docker.errors.DockerException, RequestException)


class DockerLauncher(StageLauncher):
    """Starts a stage as a container of its image, which is removed however the run ends."""

    image: str = Field(default="shop-elt/{stage}:latest", description="the image of a stage; {stage} is its name")
    network: str | None = Field(default=None, description="the network that containers join, by its name")
    volumes: list[str] = Field(
        default_factory=list, description="`volume:/path[:ro]`, or a folder of the host in place of the volume"
    )
    pass_environment: list[str] = Field(
        default_factory=list, description="names of variables, such as those of credentials, that stages get too"
    )
    memory: str = Field(default="2g", description="the most memory that a container may have")
    cpus: float = Field(default=2.0, gt=0, description="the most processors that a container may use")
    grace_seconds: int = Field(
        default=10, ge=0, description="how long a stage that is stopped may take to end before it is killed"
    )

    @contextmanager
    def start(
        self, command: Sequence[str], environment: Mapping[str, str], labels: Mapping[str, str]
    ) -> Iterator[Process]:
        """Create and start the container; the stage's output goes where this process's own goes."""
        image = self.image.format(stage=command[0])
        client = _connect()
        try:
            container = self._create(client, image, command, environment, labels)
            try:
                process = _Process(container, self.memory)
                yield process
                process.close()
            finally:
                remove(container, self.grace_seconds)
        finally:
            client.close()

    def _create(
        self,
        client: Any,
        image: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> Any:
        passed = {name: os.environ[name] for name in self.pass_environment if name in os.environ}
        try:
            return client.containers.create(
                image,
                list(command[1:]),
                environment={**passed, **environment},
                labels={**labels, LABEL: command[0]},
                network=self.network,
                volumes=self.volumes,
                init=True,
                read_only=True,
                mounts=[docker.types.Mount("/tmp", None)],  # noqa: S108 - a volume of its own: tmpfs would be memory
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                mem_limit=self.memory,
                memswap_limit=self.memory,
                nano_cpus=int(self.cpus * 1e9),
            )
        except docker.errors.ImageNotFound:
            raise dg.Failure(f"there is no image {image}: build it, or pull it, where Dagster's runs are") from None
        except _DOCKER_ERRORS as error:
            raise dg.Failure(f"Docker cannot make a container of {image}: {_said(error)}") from error


def left_over(client: Any, running: Callable[[], Collection[str]]) -> list[Any]:
    """Return the containers of stages whose run is none of those that are running, asked for after the containers."""
    found = client.containers.list(all=True, filters={"label": [LABEL, RUN_LABEL]})
    alive = running() if found else ()
    return [container for container in found if container.labels[RUN_LABEL] not in alive]


def name_of(container: Any) -> str:
    """Say for people which container it is."""
    return f"{container.labels[LABEL]} {container.short_id} of run {container.labels[RUN_LABEL]}"


def remove(container: Any, grace_seconds: int) -> None:
    """Stop and remove a container with its volumes that have no name; one that is gone already is removed."""
    try:
        with suppress(docker.errors.NotFound):
            container.stop(timeout=grace_seconds)
    finally:
        with suppress(docker.errors.NotFound, docker.errors.APIError):  # 409: its removal is in progress
            container.remove(force=True, v=True)


class _Process:
    def __init__(self, container: Any, memory: str) -> None:
        self._container = container
        self._memory = memory
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._code: int | None = None
        output = container.attach(stream=True, stdout=True, stderr=True, logs=True, demux=True)
        try:
            container.start()
        except _DOCKER_ERRORS as error:
            raise dg.Failure(f"Docker cannot start {container.image}: {_said(error)}") from error
        self._copying = Thread(target=_copy, args=(output, self._last), daemon=True)
        self._waiting = Thread(target=self._wait, daemon=True)
        self._copying.start()
        self._waiting.start()

    def exit_code(self) -> int | None:
        return self._code

    def ending(self) -> str:
        self.close()
        if self._ran_out_of_memory():
            how = f"was killed, for it needed more memory than its {self._memory}: raise the launcher's `memory`"
        elif self._code == _GONE:
            how = "was killed"
        else:
            how = f"ended with exit code {self._code}"
        return ending(how, self._last_lines())

    def _last_lines(self) -> Sequence[str]:
        """Return the last lines of its errors as the engine kept them; what was copied may lag behind."""
        try:
            kept = self._container.logs(stdout=False, stderr=True, tail=LAST_LINES)
        except _DOCKER_ERRORS:
            return self._last
        return [str(line) for line in kept.decode(errors="replace").splitlines()]

    def close(self) -> None:
        """Read on until the container's output has ended."""
        self._copying.join(timeout=_NOBODY_WAITS)

    def _wait(self) -> None:
        try:
            self._code = int(self._container.wait(timeout=None)["StatusCode"])
        except _DOCKER_ERRORS:  # somebody else has removed it
            self._code = _GONE

    def _ran_out_of_memory(self) -> bool:
        try:
            self._container.reload()
        except _DOCKER_ERRORS:
            return False
        return bool(self._container.attrs["State"]["OOMKilled"])


def _copy(output: Iterator[tuple[bytes | None, bytes | None]], last: deque[str]) -> None:
    """Copy a container's output to this process's, and keep the last lines of its errors."""
    rest = b""
    with suppress(*_DOCKER_ERRORS, OSError):
        for out, err in output:
            if out:
                os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, out)
            if err:
                os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, err)
                *lines, rest = (rest + err).split(b"\n")
                last.extend(line.decode(errors="replace").rstrip() for line in lines)
    if rest:
        last.append(rest.decode(errors="replace").rstrip())


def _connect() -> Any:
    try:
        return docker.from_env()
    except _DOCKER_ERRORS as error:
        raise dg.Failure(f"no Docker engine answers: {_said(error)}") from error


def _said(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)
