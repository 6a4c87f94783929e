"""Stages as processes: what they say is heard at once and kept, and they end when the run ends, however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.compute_log_manager import ComputeLogManager
from orchestrator_runs import DAYS, INGESTOR, QUIET, SETTINGS, Shop, keys, over, processes

from libs.errors import StoreError
from libs.storage import open_store
from libs.storage.local import LocalStore
from libs.storage.store import Store
from orchestrator import metadata
from orchestrator.launchers.launcher import LAST_LINES
from orchestrator.launchers.subprocess import SubprocessLauncher
from orchestrator.places import Places
from orchestrator.stage_assets import Stage, run_stage

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc and the parent-death signal are Linux's")

SCRIPT = """
import signal, sys, time
from pathlib import Path
from libs.stage import messages

how, file = sys.argv[1], Path(sys.argv[2])
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with messages.opened() as send:
    send({"n": 0})
    if how in ("wait", "stubborn"):
        end = time.monotonic() + 30
        while not file.exists():
            if time.monotonic() > end:
                sys.exit("nobody has answered")
            time.sleep(0.05)
    send({"n": 1})
for n in range(60):
    print(f"line {n}", file=sys.stderr)
if how.isdecimal():
    sys.exit(int(how))
"""


class Launch:
    """One launch of a command by an asset, with the messages that it has seen."""

    def __init__(
        self,
        store: Store,
        command: list[str],
        *,
        grace_seconds: float = 10,
        answer: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self.messages: list[dict[str, Any]] = []

        @dg.asset
        def stage(context: dg.AssetExecutionContext, launcher: SubprocessLauncher) -> dg.MaterializeResult[Any]:
            for message in launcher.launch(context, command, store):
                self.messages.append(message)
                answer(message)
            return dg.MaterializeResult()

        self.result = dg.materialize(
            [stage],
            resources={"launcher": SubprocessLauncher(grace_seconds=grace_seconds)},
            run_config=QUIET,
            raise_on_error=False,
        )

    @property
    def failure(self) -> tuple[str, Any]:
        """What the step says, and the exit code."""
        (event,) = [event for event in self.result.all_events if event.is_step_failure]
        said = event.step_failure_data.user_failure_data
        assert said is not None, event.step_failure_data
        return str(said.description), {name: value.value for name, value in said.metadata.items()}.get("exit_code")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "lake"))


def script(how: str, file: Path) -> list[str]:
    return [sys.executable, "-c", SCRIPT, how, str(file)]


def test_messages_arrive_while_the_stage_works_and_are_deleted_after_success(store: Store, tmp_path: Path) -> None:
    answered = tmp_path / "answered"
    launch = Launch(store, script("wait", answered), answer=lambda _: answered.touch())
    assert launch.result.success
    assert launch.messages == [{"n": 0}, {"n": 1}]
    assert list(store.list("pipes/")) == []


def test_a_stage_that_did_its_work_has_succeeded_where_its_messages_may_not_be_deleted(tmp_path: Path) -> None:
    class Undeletable(LocalStore):
        def delete(self, key: str) -> None:
            raise StoreError(f"cannot delete {key}: forbidden")

    store = Undeletable(str(tmp_path / "lake"))
    launch = Launch(store, script("0", tmp_path))
    assert launch.result.success
    assert launch.messages == [{"n": 0}, {"n": 1}]
    assert len(list(store.list("pipes/"))) >= 2


@pytest.mark.parametrize("code", [1, 2])
def test_a_stage_that_fails_is_quoted_with_its_last_lines_and_its_messages_stay(
    store: Store, tmp_path: Path, code: int
) -> None:
    launch = Launch(store, script(str(code), tmp_path))
    said, exit_code = launch.failure
    first, *lines = said.splitlines()
    assert first.endswith(f" ended with exit code {code}:")
    assert lines == [f"line {n}" for n in range(60 - LAST_LINES, 60)]
    assert exit_code == code
    assert launch.messages == [{"n": 0}, {"n": 1}]
    assert len(list(store.list("pipes/"))) >= 2


def test_a_wrong_call_is_told_in_the_stages_own_words(store: Store) -> None:
    said, exit_code = Launch(store, ["ingestor", "ingest", "--entity", "order", "--date", DAYS[0]]).failure
    assert exit_code == 2
    assert said.startswith("ingestor ingest ended with exit code 2:\ningestor ingest: ")
    assert "unknown entity 'order'" in said


def test_a_stage_that_says_nothing(store: Store) -> None:
    said, exit_code = Launch(store, ["false"]).failure
    assert (said, exit_code) == ("false ended with exit code 1, without a word", 1)


def test_a_command_that_is_not_installed(store: Store) -> None:
    said, _ = Launch(store, ["no-such-stage", "work"]).failure
    assert said.startswith("the command no-such-stage is not installed where Dagster runs: ")


@on_linux
def test_a_stage_that_does_not_end_when_told_is_killed(store: Store, tmp_path: Path) -> None:
    def give_up(_: Mapping[str, Any]) -> None:
        raise dg.Failure("enough")

    began = time.monotonic()
    launch = Launch(store, script("stubborn", tmp_path / "never"), grace_seconds=0.5, answer=give_up)
    assert launch.failure == ("enough", None)
    assert time.monotonic() - began < 25  # SCRIPT itself waits for 30
    assert not processes(str(tmp_path / "never"))


def test_a_stage_that_does_not_report_on_all_that_it_was_asked_for_fails(tmp_path: Path) -> None:
    @dg.multi_asset(
        specs=[dg.AssetSpec(metadata.key("landing", "orders"), partitions_def=SETTINGS.days)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def silent(context: dg.AssetExecutionContext) -> Iterator[Any]:
        places = Places(lake=str(tmp_path / "lake"), warehouse=str(tmp_path / "shop.duckdb"))
        silent_stage = Stage(["generator", "--help"], metadata.generated)
        yield from run_stage(context, silent_stage, SubprocessLauncher(), places)

    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        result = dg.materialize([silent], instance=instance, tags=over(*DAYS), run_config=QUIET, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert "the stage did not report on all that it was asked for" in str(event.step_failure_data.user_failure_data)
    assert result.get_asset_materialization_events() == []


@on_linux
def test_where_messages_cannot_be_read_any_more_those_that_were_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fading(LocalStore):
        def read_versioned(self, key: str) -> tuple[bytes, str] | None:
            if key.endswith("/2.json"):  # after Dagster's own first one and a day
                raise StoreError(f"cannot read {key}: forbidden")
            return super().read_versioned(key)

    monkeypatch.setattr("orchestrator.stage_assets.open_store", Fading)
    shop = Shop(tmp_path)
    run = shop.run(keys("landing", entities=["orders"]), *DAYS)
    assert run.failure.startswith("generator generate was stopped, for its messages cannot be read: cannot read pipes/")
    assert run.materialized == {("landing/orders", DAYS[0]): 1}
    assert not shop.stages()


def test_the_stages_own_output_is_in_the_runs_compute_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        open(1, "w", closefd=False) as stdout,
        open(2, "w", closefd=False) as stderr,
        dg.instance_for_test() as instance,
    ):
        monkeypatch.setattr(sys, "stdout", stdout)  # pytest's are not on the descriptors that a stage inherits
        monkeypatch.setattr(sys, "stderr", stderr)
        run = Shop(tmp_path, instance).run(keys(*INGESTOR, entities=["orders"]), DAYS[0], DAYS[0])
        manager: ComputeLogManager[Any] = instance.compute_log_manager
        (captured,) = [event for event in run.events if event.event_type == dg.DagsterEventType.LOGS_CAPTURED]
        log = manager.get_log_data(manager.build_log_key_for_run(run.id, captured.logs_captured_data.file_key))
        monkeypatch.undo()
    assert b"ingestor ingest" in (log.stdout or b"")
    assert b"the landing file has not arrived" in (log.stderr or b"")


LONG = {"orders_per_day": 5000}
"""So much work that no test sees its end."""
LAST = "2025-11-20"


def wait_for(what: Callable[[], Any], seconds: float) -> Any:
    """Return what is found first; fail where nothing is in time."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return found


@on_linux
def test_what_a_killed_stage_had_reported_is_kept_and_the_rest_failed(tmp_path: Path) -> None:
    shop = Shop(tmp_path)

    def kill() -> None:
        wait_for(lambda: len(list(shop.store.list("pipes/"))) > 4, 120)
        os.kill(shop.stages()[0], signal.SIGKILL)

    killing = Thread(target=kill)
    killing.start()
    run = shop.run(keys("landing", entities=["customers", "orders"]), DAYS[0], LAST, generator=LONG)
    killing.join()
    assert not run.success
    assert run.failure.startswith("generator generate was ended by SIGKILL")
    good, bad = shop.days(metadata.key("landing", "customers"))
    assert DAYS[0] in good
    assert LAST in bad
    assert run.materialized["landing/customers", DAYS[0]] == 1
    assert list(shop.store.list("pipes/"))


LANDING = """
import os
import dagster as dg
from orchestrator.defs.landing import landing
from orchestrator.settings import Settings

settings = Settings.of(os.environ)
resources = {"launcher": settings.launcher, "places": settings.places}
jobs = [dg.define_asset_job("shop_day", "*")]
defs = dg.Definitions.merge(
    landing(settings), dg.Definitions(resources=resources, executor=dg.in_process_executor, jobs=jobs)
)
"""
"""A code location of no more than what is run here: that of the product takes long to load."""


@contextmanager
def orchestrating(shop: Shop, home: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Run Dagster in a process of its own, at work with a stage that has begun to report."""
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    config = home / "run.yaml"
    config.write_text(json.dumps({"ops": {"generator": {"config": LONG}}, **QUIET}))
    code = home / "landing.py"
    code.write_text(LANDING)
    words = ["job", "execute", "-f", str(code), "-j", "shop_day", "-c", str(config)]
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", *words, "--tags", json.dumps(over(DAYS[0], LAST))],
        env={
            **os.environ,
            "DAGSTER_HOME": str(home),
            "LAKE": str(shop.lake),
            "WAREHOUSE": str(shop.warehouse),
            "LANDING": "generator",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            wait_for(lambda: len(list(shop.store.list("pipes/"))) > 2 or process.poll() is not None, 120)
            assert process.returncode is None, process.communicate()[1]
            yield process
        finally:
            process.kill()


@on_linux
def test_a_run_that_is_cancelled_ends_its_stage(tmp_path: Path) -> None:
    shop, home = Shop(tmp_path), tmp_path / "home"
    with orchestrating(shop, home) as process, dg.DagsterInstance.from_config(str(home)) as instance:
        assert len(shop.stages()) == 1
        (run,) = instance.get_runs()
        instance.report_run_canceling(run)  # this and the signal are what the UI's button does
        process.send_signal(signal.SIGINT)
        wait_for(lambda: not shop.stages(), 10)
        process.wait(60)
        # An interrupt that meets Dagster while it writes an event is an error to it, and the run then a failed one.
        assert instance.get_runs()[0].status in (
            dg.DagsterRunStatus.CANCELED,
            dg.DagsterRunStatus.FAILURE,
        )


@on_linux
def test_a_stage_ends_when_the_orchestrating_process_is_killed(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with orchestrating(shop, tmp_path / "home") as process:
        assert len(shop.stages()) == 1
        process.kill()
        wait_for(lambda: not shop.stages(), 10)
