"""What the stack in containers needs besides Dagster: a bucket in the emulator, and no containers left over."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from libs.errors import CallError, StageError

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_WAIT_SECONDS = 60.0


def make_bucket(environment: Mapping[str, str]) -> str:
    """Make the bucket of LAKE in the emulator at STORAGE_EMULATOR_HOST, waiting until that answers; tell what was done.

    Buckets of Google's own are made by their owners, with region and rights: without an emulator nothing is made.
    Raises CallError where LAKE is no gs:// URI, StageError where the emulator does not answer.
    """
    lake = environment.get("LAKE") or ""
    if not lake.startswith("gs://"):
        raise CallError(f"LAKE={lake!r} is no gs://bucket[/prefix]")
    name = lake.removeprefix("gs://").partition("/")[0]
    if not environment.get("STORAGE_EMULATOR_HOST"):
        return f"gs://{name} is not an emulator's: nothing made"
    from google.api_core.exceptions import Conflict
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage
    from requests.exceptions import ConnectionError as NoConnectionError

    client = storage.Client(project="emulator", credentials=AnonymousCredentials())
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            client.create_bucket(name, retry=None, timeout=5)
        except Conflict:
            return f"gs://{name} is there already"
        except NoConnectionError as error:
            if time.monotonic() > end:
                host = environment["STORAGE_EMULATOR_HOST"]
                raise StageError(f"the emulator at {host} does not answer within {_WAIT_SECONDS:g} s") from error
            time.sleep(0.5)
        else:
            return f"gs://{name} made"


def reap(client: Any, instance: dg.DagsterInstance, network: str | None, say: Callable[[str], None]) -> None:
    """Remove the containers of stages whose run has ended without removing them, as a killed one does.

    Only those in the network, if one is given: the runs of others on the same engine are not in this history. A run's
    state is asked for after its containers were listed: one that begins in between is safe.
    """
    from orchestrator.launchers import docker

    for container in docker.left_over(client, lambda: _running(instance)):
        if network and network not in container.attrs["NetworkSettings"]["Networks"]:
            continue
        docker.remove(container, grace_seconds=0)
        say(f"removed {docker.name_of(container)}")


def _running(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))}
