"""What only a bucket has: a network that fails and damages, rights, uploads in several requests (fake-gcs-server)."""

import gc
import http.client
import json
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from libs.errors import ObjectNotFoundError, StoreError
from libs.storage.gcs import GcsStore
from libs.storage.store import Commit, checksums_of

pytestmark = pytest.mark.docker


class Request(NamedTuple):
    """What a client asks for."""

    method: str
    path: str
    body: bytes


class Answer(NamedTuple):
    """What it gets."""

    status: int
    body: bytes = b""


class Between(ThreadingHTTPServer):
    """Stands between client and emulator: may answer itself, change what is sent, and change what comes back."""

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target.removeprefix("http://")
        self.itself: Callable[[Request], Answer | None] = lambda _: None
        self.sent: Callable[[Request], bytes] = lambda request: request.body
        self.received: Callable[[Request, bytes], bytes] = lambda _, body: body

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Between

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, body)
        if answer := self.server.itself(request):
            self._answer(answer, {"Content-Type": "application/json"})
            return
        mine = {"host", "accept-encoding", "transfer-encoding", "content-length", "connection"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in mine}
        with closing(http.client.HTTPConnection(self.server.target, timeout=60)) as onward:
            onward.request(self.command, self.path, self.server.sent(request), headers)
            got = onward.getresponse()
            found = self.server.received(request, got.read())
        headers = {name: value for name, value in got.getheaders() if name.lower() not in mine}
        there, here = f"http://{self.server.target}", self.server.url
        if "Location" in headers:  # an upload's further requests come this way, too
            headers["Location"] = headers["Location"].replace(there, here)
        if "json" in headers.get("Content-Type", ""):  # and so do those for an object's content
            found = found.replace(there.encode(), here.encode())
        self._answer(Answer(got.status, found), headers)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass_on  # noqa: N815 - http.server's names

    def _answer(self, answer: Answer, headers: dict[str, str]) -> None:
        self.send_response(answer.status)
        for name, value in {**headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def between(fake_gcs: str) -> Iterator[Between]:
    with Between(fake_gcs) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def store(between: Between) -> Iterator[GcsStore]:
    client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": between.url})
    name = f"lake-{uuid.uuid4().hex}"
    client.bucket(name).create()
    yield GcsStore(client, name)
    client.close()


def put(store: GcsStore, data: bytes) -> None:
    with store.write("a") as writer:
        for begin in range(0, len(data), 1 << 20):
            writer.write(data[begin : begin + (1 << 20)])


def turned(data: bytes) -> bytes:
    """Flip a bit of bytes somewhere in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


def test_large_objects_go_in_many_requests_and_little_memory(store: GcsStore, between: Between) -> None:
    asked: list[str] = []

    def count(request: Request) -> Answer | None:
        asked.append(request.method)
        return None

    put(store, b"warm")
    between.itself = count
    line, size = b"0123456789abcde\n", 40 << 20
    tracemalloc.start()
    try:
        with store.write("large") as writer:
            for _ in range(size >> 20):
                writer.write(line * ((1 << 20) // len(line)))
        with store.read("large") as stream:
            found = checksums_of(stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.size, found.sha256) == (size, writer.checksums.sha256)
    assert asked.count("PUT") >= 5
    assert asked.count("GET") >= 5
    # The proxy, which is in this process, holds a request's bytes as often as the client does.
    assert peak < size


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("status", [429, 503])
def test_an_answer_that_is_no_answer_is_asked_for_again(store: GcsStore, between: Between, status: int) -> None:
    refused: set[tuple[str, str]] = set()

    def refuse_once(request: Request) -> Answer | None:
        what = request.method, request.path.partition("upload_id")[0]
        if what in refused:
            return None
        refused.add(what)
        return Answer(status)

    between.itself = refuse_once
    put(store, b"data" * 100_000)
    with store.read("a") as stream:
        assert stream.read() == b"data" * 100_000
    assert {method for method, _ in refused} >= {"POST", "PUT", "GET"}
    gc.collect()  # the client leaves answers that it does not take to the garbage collector


def test_what_arrives_damaged_is_refused(store: GcsStore, between: Between) -> None:
    put(store, b"good" * 1000)
    between.received = lambda request, body: turned(body) if "alt=media" in request.path else body
    with pytest.raises(StoreError, match=r"/a arrived damaged .*: run again"), store.read("a") as stream:
        checksums_of(stream)
    with pytest.raises(StoreError, match=r"cannot read gs://.*/a: it arrived damaged .*: run again"):
        store.read_versioned("a")


def test_what_is_stored_compressed_is_refused_in_words(store: GcsStore, between: Between) -> None:
    put(store, b"data")
    kind = b'"kind":"storage#object"'
    between.received = lambda _, body: body.replace(kind, kind + b',"contentEncoding":"gzip"')
    with pytest.raises(StoreError, match="/a is stored with the content encoding gzip: upload"), store.read("a"):
        pass


def test_what_is_stored_damaged_is_refused(store: GcsStore, between: Between) -> None:
    between.sent = lambda request: request.body.replace(b"good", b"goad", 1)
    with pytest.raises(StoreError, match=r"cannot write gs://.*/a: it arrived damaged .*: run again"):
        put(store, b"good" * 1000)
    with pytest.raises(StoreError, match=r"cannot write gs://.*/b: "):
        store.write_if("b", b"good" * 10, None)
    assert store.stat("b") is None


def test_without_the_right_to_look_at_buckets_an_object_can_still_be_missing(store: GcsStore, between: Between) -> None:
    def refuse(request: Request) -> Answer | None:
        about_the_bucket = request.method == "GET" and "/o" not in request.path
        return Answer(403, json.dumps({"error": {"message": "no buckets.get"}}).encode()) if about_the_bucket else None

    between.itself = refuse
    with pytest.raises(ObjectNotFoundError, match="a does not exist"), store.read("a"):
        pass
    store.delete("a")


def test_of_a_commit_that_cannot_be_uploaded_nothing_follows_and_others_are_in_force(
    store: GcsStore, between: Between
) -> None:
    def refuse(request: Request) -> Answer | None:
        return Answer(403, b"{}") if b"good/1" in request.body + request.path.encode() else None

    between.itself = refuse
    commits = [Commit({f"raw/{n}": b"1", f"good/{n}": b"2"}, f"m/{n}", b"3", None) for n in range(3)]
    with closing(store.commit(commits)) as committing:
        committing.begin()
        errors = committing.finish()
    assert [error is None for error in errors] == [True, False, True]
    assert str(errors[1]) == f"cannot write {store.uri}/good/1: the store answered 403"
    assert list(store.list("")) == ["good/0", "good/2", "m/0", "m/2", "raw/0", "raw/1", "raw/2"]


class Slow(GcsStore):
    """Takes one object at a time, and that when it is let."""

    at_once = 1

    def __init__(self) -> None:
        super().__init__(storage.Client("test", AnonymousCredentials()), "lake")
        self.begun = threading.Event()
        self.let = threading.Event()
        self.taken: list[tuple[str, str | None]] = []

    def write_if(self, key: str, data: bytes, version: str | None) -> None:
        self.begun.set()
        assert self.let.wait(60)
        if data == b"die":
            raise KeyboardInterrupt
        self.taken.append((key, version))


def test_commits_that_have_not_begun_are_dropped() -> None:
    slow = Slow()
    with closing(slow.commit([Commit({}, f"m/{n}", b"3", None) for n in range(5)])) as committing:
        committing.begin()
        assert slow.begun.wait(60)
    slow.let.set()
    slow._threads.shutdown()
    assert slow.taken == [("m/0", None)]


def test_an_upload_that_was_interrupted_is_not_taken_for_one_that_stands() -> None:
    slow = Slow()
    slow.let.set()
    with closing(slow.commit([Commit({}, "m/0", b"die", None)])) as committing, pytest.raises(KeyboardInterrupt):
        committing.begin()
        committing.finish()
    slow._threads.shutdown()
