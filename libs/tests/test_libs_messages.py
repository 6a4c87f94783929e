"""A stage's messages reach its launcher: any size, in order, live, and when the stage fails or is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dagster_pipes import encode_param

from libs import layout
from libs.errors import ConflictError
from libs.stage import messages
from libs.stage.messages import Inbox
from libs.stage.report import Outcome
from libs.storage import open_store
from libs.storage.store import Store

STAGE = """
import os, sys, threading
from libs.stage import messages

def work(send, who):
    for n in range(20):
        print("noise " * 2_000, flush=True)
        send({"who": who, "n": n, "pad": "x" * (1_000_000 if n % 5 == 0 else 20_000)})

how = sys.argv[1]
with messages.opened() as send:
    if how == "threads":
        threads = [threading.Thread(target=work, args=(send, who)) for who in range(4)]
        [one.start() for one in threads]
        [one.join() for one in threads]
    else:
        work(send, 0)
    if how == "fail":
        sys.exit(1)
    if how == "kill":
        os.kill(os.getpid(), 9)
    if how == "wait":
        sys.stdin.read()
"""


@pytest.fixture(params=["local", pytest.param("gcs", marks=pytest.mark.docker)])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "local":
        return open_store(str(tmp_path / "lake"))
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    host = request.getfixturevalue("fake_gcs")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
    client = storage.Client(project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": host})
    name = f"lake-{uuid.uuid4().hex}"
    client.bucket(name).create()
    return open_store(f"gs://{name}/prefix")


def start(inbox: Inbox, how: str, **more: Any) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "DAGSTER_PIPES_CONTEXT": encode_param({"data": CONTEXT}),
        "DAGSTER_PIPES_MESSAGES": encode_param(inbox.params),
    }
    return subprocess.Popen([sys.executable, "-c", STAGE, how], env=environment, stdout=subprocess.DEVNULL, **more)


CONTEXT: Mapping[str, Any] = {
    "asset_keys": [],
    "code_version_by_asset_key": {},
    "provenance_by_asset_key": {},
    "partition_key": None,
    "partition_key_range": None,
    "partition_time_window": None,
    "run_id": "r",
    "job_name": None,
    "retry_number": 0,
    "extras": {},
}


def custom(inbox: Inbox) -> list[dict[str, Any]]:
    return [m["params"]["payload"] for m in inbox.read() if m["method"] == "report_custom_message"]


@pytest.mark.parametrize(("how", "code"), [("succeed", 0), ("fail", 1), ("kill", -signal.SIGKILL)])
def test_every_message_arrives_whole_and_in_order_however_the_stage_ends(store: Store, how: str, code: int) -> None:
    inbox = Inbox(store, "one")
    assert start(inbox, how).wait(60) == code
    found = custom(inbox)
    assert [(m["n"], len(m["pad"])) for m in found] == [(n, 1_000_000 if n % 5 == 0 else 20_000) for n in range(20)]
    assert custom(inbox) == []


def test_messages_of_several_threads_are_all_there(store: Store) -> None:
    inbox = Inbox(store, "one")
    assert start(inbox, "threads").wait(60) == 0
    found = custom(inbox)
    for who in range(4):
        assert [m["n"] for m in found if m["who"] == who] == list(range(20))


def test_messages_are_there_while_the_stage_works(store: Store) -> None:
    inbox = Inbox(store, "one")
    stage = start(inbox, "wait", stdin=subprocess.PIPE)
    found: list[dict[str, Any]] = []
    end = time.monotonic() + 60
    while len(found) < 20 and time.monotonic() < end:
        found += custom(inbox)
        time.sleep(0.05)
    assert len(found) == 20
    assert stage.poll() is None
    stage.communicate()


def test_launches_do_not_see_each_others_messages(store: Store) -> None:
    one, other = Inbox(store, "one"), Inbox(store, "other")
    assert start(one, "succeed").wait(60) == 0
    assert custom(other) == []
    assert len(custom(one)) == 20
    one.clear()
    assert list(store.list("pipes/")) == []
    assert not (Path(store.uri) / "pipes" / "one").exists()


def test_a_message_that_was_stored_already_is_the_clients_own_retry(store: Store) -> None:
    channel = messages._Channel(store, "one")
    message = {"method": "log", "params": {"n": 1}}
    store.write_if(layout.message("one", 0), json.dumps(message).encode(), None)
    channel.write_message(message)
    channel.write_message({"method": "log"})
    assert [m["method"] for m in Inbox(store, "one").read()] == ["log", "log"]


def test_a_message_of_somebody_else_is_never_replaced(store: Store) -> None:
    store.write_if(layout.message("one", 0), b"{}", None)
    with pytest.raises(ConflictError):
        messages._Channel(store, "one").write_message({"method": "log"})


def test_nobody_launched_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_PIPES_CONTEXT", raising=False)
    with messages.opened() as send:
        threads = [threading.Thread(target=send, args=({"n": n},)) for n in range(3)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()


def test_an_outcome_is_read_as_it_was_sent() -> None:
    from datetime import date

    for outcome in (
        Outcome("orders", date(2025, 11, 5), "done", {"rows": 3}, {"urls": {"raw": "a"}, "samples": [{"n": None}]}),
        Outcome("marts", None, "failed", error="größe"),
    ):
        assert Outcome.from_message(json.loads(json.dumps(outcome.to_message()))) == outcome
