"""Stages as containers: their messages arrive, whatever happens to them, and no container is left."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from stages import ROOT

from libs.storage import open_store
from orchestrator import stack

pytestmark = pytest.mark.docker

TAG = f"test-launcher-{uuid.uuid4().hex[:8]}"
STAGE = """
import os, sys, time
from libs.stage import messages

how = sys.argv[1]
with messages.opened() as send:
    for n in range(5):
        print("noise " * 2_000, flush=True)
        send({"n": n, "at": time.time(), "pad": "x" * (1_000_000 if n % 2 == 0 else 20_000)})
    if how == "fail":
        sys.exit("the stage failed for a reason")
    if how == "eat":
        hoard = [bytearray(os.urandom(1 << 20)) for _ in range(4096)]
    if how == "spill":
        with open("/tmp/spilled", "wb") as file:
            for _ in range(400):
                file.write(os.urandom(1 << 20))
    if how == "wait":
        time.sleep(600)
    if how == "read":
        open("/somewhere", "w")
"""
ASSET = """
import dagster as dg
from libs.storage import open_store
from orchestrator.launchers.docker import DockerLauncher
from orchestrator.launchers.launcher import StageLauncher

LAUNCHER = DockerLauncher(
    image="shop-elt/{stage}:TAG", memory="256m", cpus=1.0, grace_seconds=2, pass_environment=["STORAGE_EMULATOR_HOST"]
)


class How(dg.Config):
    how: str


@dg.asset
def stage(context: dg.AssetExecutionContext, config: How, launcher: StageLauncher):
    for message in launcher.launch(context, ["launched", config.how], open_store("LAKE")):
        yield dg.AssetObservation("stage", metadata={"n": message["n"], "size": len(message["pad"])})
    yield dg.MaterializeResult()


defs = dg.Definitions([stage], resources={"launcher": LAUNCHER}, executor=dg.in_process_executor)
"""


@pytest.fixture(scope="module", autouse=True)
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make an image of a stage that ends as it is told, from the generator's, which has what a stage needs."""
    built = [sys.executable, str(ROOT / "scripts" / "images.py"), "generator", "--tag", TAG]
    done = subprocess.run(built, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path_factory.mktemp("image")
    (folder / "stage.py").write_text(STAGE)
    (folder / "Dockerfile").write_text(
        f'FROM shop-elt/generator:{TAG}\nCOPY --chmod=444 stage.py /stage.py\nENTRYPOINT ["python", "/stage.py"]\n'
    )
    subprocess.run(["docker", "build", "--quiet", "--tag", f"shop-elt/launched:{TAG}", folder], check=True)
    yield
    subprocess.run(["docker", "image", "rm", f"shop-elt/launched:{TAG}", f"shop-elt/generator:{TAG}"], check=True)


@pytest.fixture
def lake(fake_gcs: str, monkeypatch: pytest.MonkeyPatch) -> str:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", fake_gcs)
    name = f"lake-{uuid.uuid4().hex}"
    storage.Client(project="test", credentials=AnonymousCredentials()).bucket(name).create()
    return f"gs://{name}/prefix"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return tmp_path


@pytest.fixture
def code(lake: str, tmp_path: Path) -> Path:
    file = tmp_path / "code.py"
    file.write_text(ASSET.replace("TAG", TAG).replace("LAKE", lake))
    return file


class Launch:
    """A run in a process of its own, as Dagster's run containers are one."""

    def __init__(self, code: Path, how: str) -> None:
        config = code.with_name(f"{how}.yaml")
        config.write_text(f"ops: {{stage: {{config: {{how: {how}}}}}}}\n")
        words = ["dagster", "job", "execute", "-f", str(code), "-j", "__ASSET_JOB", "-c", str(config)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def end(self) -> str:
        """Wait for the run's end; return what it said."""
        said, _ = self.process.communicate(timeout=180)
        return said

    def container(self) -> str:
        """Wait until the stage has a container that runs; return its id."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if running := containers("--filter", "status=running"):
                return running[0]
            time.sleep(0.1)
        raise AssertionError(f"no container within a minute: {self.process.communicate()[0]}")


def containers(*options: str) -> list[str]:
    """Return the containers of the tests' stage."""
    words = ["docker", "ps", "--all", "--quiet", "--filter", f"ancestor=shop-elt/launched:{TAG}", *options]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def inspected(container: str) -> dict[str, Any]:
    words = ["docker", "container", "inspect", container]
    [found] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return dict(found)


def runs() -> list[dg.DagsterRun]:
    with dg.DagsterInstance.get() as instance:
        return list(instance.get_runs())


def messages() -> list[dict[str, Any]]:
    """Return what the run recorded of each message."""
    with dg.DagsterInstance.get() as instance:
        records = instance.fetch_observations(dg.AssetKey("stage"), limit=50).records
    found = [record.asset_observation for record in records]
    return [{name: value.value for name, value in one.metadata.items()} for one in reversed(found) if one]


WHOLE = [{"n": n, "size": 1_000_000 if n % 2 == 0 else 20_000} for n in range(5)]


@pytest.fixture(autouse=True)
def none_left(home: Path) -> Iterator[None]:
    assert containers() == []
    yield
    assert containers() == []


def test_a_stage_runs_in_a_container_and_its_messages_arrive_whole(code: Path, lake: str) -> None:
    said = Launch(code, "succeed").end()
    assert [run.status for run in runs()] == [dg.DagsterRunStatus.SUCCESS], said
    assert messages() == WHOLE
    assert list(open_store(lake).list("pipes/")) == []


def test_a_stage_that_fails_leaves_its_messages_and_says_why(code: Path) -> None:
    said = Launch(code, "fail").end()
    assert messages() == WHOLE
    assert "launched fail ended with exit code 1:" in said
    assert "the stage failed for a reason" in said
    assert [run.status for run in runs()] == [dg.DagsterRunStatus.FAILURE]


def test_a_stage_that_wants_too_much_memory_is_told_as_such(code: Path) -> None:
    said = Launch(code, "eat").end()
    assert messages() == WHOLE
    assert "launched eat was killed, for it needed more memory than its 256m" in said


def test_what_a_stage_writes_to_its_temporary_folder_is_no_memory_of_its(code: Path) -> None:
    launch = Launch(code, "spill")
    [folder] = inspected(launch.container())["Mounts"]
    assert (folder["Type"], folder["Destination"]) == ("volume", "/tmp")  # noqa: S108 - of the container
    said = launch.end()
    assert [run.status for run in runs()] == [dg.DagsterRunStatus.SUCCESS], said
    there = subprocess.run(["docker", "volume", "ls", "--quiet"], capture_output=True, text=True, check=True)
    assert folder["Name"] not in there.stdout


def test_a_stage_has_no_root_to_write_to(code: Path) -> None:
    assert "Read-only file system: '/somewhere'" in Launch(code, "read").end()


def test_messages_are_recorded_while_the_stage_goes_on_within_its_limits(code: Path) -> None:
    launch = Launch(code, "wait")
    container = launch.container()
    limits = inspected(container)["HostConfig"]
    assert (limits["NanoCpus"], limits["Memory"], limits["MemorySwap"]) == (10**9, 256 << 20, 256 << 20)
    end = time.monotonic() + 60
    while messages() != WHOLE:
        assert time.monotonic() < end, messages()
        time.sleep(0.2)
    assert inspected(container)["State"]["Running"]
    launch.process.send_signal(signal.SIGINT)
    launch.end()


def test_an_interrupted_run_takes_its_container_with_it(code: Path) -> None:
    launch = Launch(code, "wait")
    launch.container()
    began = time.monotonic()
    launch.process.send_signal(signal.SIGINT)
    launch.end()
    assert time.monotonic() - began < 30
    assert containers() == []


def test_the_container_of_a_killed_run_is_reaped_and_that_of_a_running_one_is_not(code: Path) -> None:
    import docker

    launch = Launch(code, "wait")
    container = launch.container()
    said: list[str] = []
    client = docker.from_env()
    try:
        with dg.DagsterInstance.get() as instance:
            stack.reap(client, instance, None, said.append)
            assert (said, containers()) == ([], [container])
            os.kill(launch.process.pid, signal.SIGKILL)
            launch.end()
            assert containers() == [container]
            [run] = instance.get_runs()
            instance.report_run_failed(run, "its process was killed")  # what Dagster's run monitoring does
            stack.reap(client, instance, "another-stack", said.append)
            assert (said, containers()) == ([], [container])
            stack.reap(client, instance, "bridge", said.append)
        assert re.fullmatch(rf"removed launched {container} of run {run.run_id}", said[0])
    finally:
        client.close()


def test_a_container_that_somebody_removes_is_a_stage_that_was_killed(code: Path) -> None:
    launch = Launch(code, "wait")
    subprocess.run(["docker", "rm", "--force", launch.container()], check=True, capture_output=True)
    assert "launched wait was killed" in launch.end()


def test_an_image_that_is_not_there_is_named(code: Path) -> None:
    code.write_text(code.read_text().replace(TAG, "no-such-tag"))
    assert "there is no image shop-elt/launched:no-such-tag: build it" in Launch(code, "succeed").end()


def test_labels_tell_whose_a_container_is(code: Path) -> None:
    launch = Launch(code, "wait")
    container = launch.container()
    words = ["docker", "inspect", "--format", textwrap.dedent("{{json .Config.Labels}}"), container]
    labels = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    launch.process.send_signal(signal.SIGINT)
    launch.end()
    assert '"shop_elt/stage":"launched"' in labels
    assert f'"dagster/run_id":"{runs()[0].run_id}"' in labels
