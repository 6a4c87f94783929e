"""Objects in a bucket of Google Cloud Storage."""

import base64
import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from typing import Any, BinaryIO, Self, cast

import google_crc32c
import requests.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from libs.errors import ConflictError, ObjectNotFoundError, StoreError
from libs.storage.store import Checksums, Commit, Listed, Stat

_NOT_FOUND, _PRECONDITION_FAILED = 404, 412
_CHUNK = 8 << 20
"""Bytes of a request, held in memory for each object that is being read or written."""

_BUFFER = 1 << 20


class _BlobWriter:
    def __init__(self, stream: Any, what: str) -> None:
        self._stream = stream
        self._what = what
        self.checksums = Checksums()

    def write(self, data: bytes, /) -> object:
        self.checksums.update(data)
        with _told(self._what):
            return self._stream.write(data)


class _Verified(io.RawIOBase):
    """An object as it arrives; where it ends, its crc32c must be the one that the store keeps. Raises StoreError."""

    def __init__(self, stream: BinaryIO, crc32c: str, url: str) -> None:
        self._stream = stream
        self._expected = crc32c
        self._url = url
        self._found = google_crc32c.Checksum()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.read(len(buffer))
        self._found.update(data)
        if not data and self._found.hexdigest().decode() != self._expected:
            raise StoreError(f"{self._url} arrived damaged (its crc32c is another): run again")
        buffer[: len(data)] = data
        return len(data)


class GcsStore:
    """A store in a bucket, below a prefix. The client is passed in; `connect` makes the usual one."""

    at_once = 8  # each waits for the network; the client keeps ten connections

    def __init__(self, client: storage.Client, bucket: str, prefix: str = "") -> None:
        self._bucket_name = bucket
        self._bucket = client.bucket(bucket)
        self._prefix = f"{prefix}/" if prefix else ""
        self.uri = f"gs://{bucket}/{prefix}".rstrip("/")

    @classmethod
    def connect(cls, bucket: str, prefix: str = "") -> Self:
        """Connect with the credentials of the environment, or to the emulator at STORAGE_EMULATOR_HOST."""
        try:
            if os.environ.get("STORAGE_EMULATOR_HOST"):
                client = storage.Client(project="emulator", credentials=AnonymousCredentials())
            else:
                client = storage.Client()
        except (auth.DefaultCredentialsError, OSError) as error:
            raise StoreError(
                f"no Google credentials for gs://{bucket}: run `gcloud auth application-default login`, or let "
                f"GOOGLE_APPLICATION_CREDENTIALS name a key file ({error})"
            ) from error
        return cls(client, bucket, prefix)

    def url(self, key: str) -> str:
        """Return the gs:// URL of an object."""
        return f"{self.uri}/{key}"

    def size(self, key: str) -> int | None:
        """Return an object's size, without reading it."""
        found = self.stat(key)
        return None if found is None else found.size

    def stat(self, key: str) -> Stat | None:
        """Return an object's size and checksum, without reading it."""
        with _told(f"cannot read {self.url(key)}"):
            blob = self._bucket.get_blob(self._prefix + key)
            return None if blob is None else Stat(blob.size, base64.b64decode(blob.crc32c).hex())

    @contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        """Open an object for reading, of one generation throughout. Who reads it to its end has its crc32c compared."""
        with _told(f"cannot read {self.url(key)}"):
            blob = self._bucket.get_blob(self._prefix + key)
            if blob is None:
                self._need_bucket()
                raise ObjectNotFoundError(f"{self.url(key)} does not exist")
            if blob.content_encoding:
                raise StoreError(
                    f"{self.url(key)} is stored with the content encoding {blob.content_encoding}: upload it as it is "
                    "(gcloud storage without --gzip-…, gsutil without -z)"
                )
            with blob.open("rb", chunk_size=_CHUNK, if_generation_match=blob.generation) as stream:
                arriving = _Verified(stream, base64.b64decode(blob.crc32c).hex(), self.url(key))
                yield io.BufferedReader(arriving, _BUFFER)

    @contextmanager
    def write(self, key: str) -> Iterator[_BlobWriter]:
        """Upload resumably; the object exists when the block has ended, its crc32c compared by the client."""
        what = f"cannot write {self.url(key)}"
        blob = self._bucket.blob(self._prefix + key)
        stream = blob.open("wb", chunk_size=_CHUNK, ignore_flush=True)
        writer = _BlobWriter(stream, what)
        try:
            yield writer
            with _told(what):
                stream.close()
        except BaseException:
            _abandon(stream)
            raise

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's bytes; their version is its generation."""
        with _told(f"cannot read {self.url(key)}"):
            blob = self._bucket.get_blob(self._prefix + key)
            if blob is None:
                return None
            data = cast(bytes, blob.download_as_bytes(if_generation_match=blob.generation))
            return data, str(blob.generation)

    def write_if(self, key: str, data: bytes, version: str | None) -> None:
        """Upload on the condition that the generation is still this one; the crc32c is compared by the store."""
        with _told(f"cannot write {self.url(key)}"):
            blob = self._bucket.blob(self._prefix + key)
            blob.upload_from_string(data, checksum="crc32c", if_generation_match=int(version or 0))

    def commit(self, commits: Sequence[Commit]) -> "_Committing":
        """Let beginning upload several commits at once, of each one object behind the other."""
        return _Committing([partial(self._threads.submit, self._commit, one) for one in commits])

    def _commit(self, commit: Commit) -> None:
        for key, data in commit.objects.items():
            with self.write(key) as writer:
                writer.write(data)
        self.write_if(commit.key, commit.data, commit.version)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.at_once)

    def list(self, prefix: str) -> Iterator[str]:
        """Iterate over the objects below a prefix, in the order of their keys."""
        return (found.key for found in self.listing(prefix))

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Iterate over the objects below a prefix, in the order of their keys; fingerprints are of size and crc32c."""
        with _told(f"cannot list {self.url(prefix)}"):
            for blob in self._bucket.list_blobs(prefix=self._prefix + prefix):
                yield Listed(str(blob.name).removeprefix(self._prefix), blob.size, f"{blob.size}-{blob.crc32c}")

    def delete(self, key: str) -> None:
        """Remove an object."""
        with _told(f"cannot delete {self.url(key)}"):
            try:
                self._bucket.blob(self._prefix + key).delete()
            except api.NotFound:
                self._need_bucket()

    def _need_bucket(self) -> None:
        with suppress(api.Forbidden):  # who may use objects need not be allowed to look at the bucket, which is there
            if not self._bucket.exists():
                raise StoreError(f"there is no bucket gs://{self._bucket_name}: make it, or mend the URI")


class _Committing:
    """Uploads that other threads do."""

    def __init__(self, submits: Sequence[Callable[[], Future[None]]]) -> None:
        self._submits = submits
        self._uploads: list[Future[None]] = []

    def begin(self) -> None:
        for submit in self._submits:
            self._uploads.append(submit())

    def finish(self) -> Sequence[Exception | None]:
        return [_error_of(upload) for upload in self._uploads]

    def close(self) -> None:
        """Drop those that have not begun."""
        for upload in self._uploads:
            upload.cancel()


def _error_of(upload: Future[None]) -> Exception | None:
    try:
        upload.result()
    except Exception as error:
        return error
    return None


def _abandon(stream: Any) -> None:
    """Cancel an upload: the garbage collector would close a writer that is left open, and publish half an object."""
    with suppress(Exception):  # the error that led here is the one to tell, and the upload expires by itself
        stream.terminate()
    stream._buffer.close()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn the client's errors into words for people."""
    try:
        yield
    except api.NotFound as error:
        raise StoreError(f"{what}: there is no such bucket or object") from error
    except api.PreconditionFailed as error:
        raise ConflictError(f"{what}: it was changed by somebody else in the meantime: run again") from error
    except DataCorruption as error:
        raise StoreError(f"{what}: it arrived damaged (its crc32c is another): run again") from error
    except InvalidResponse as error:
        if error.response.status_code == _NOT_FOUND:
            raise StoreError(f"{what}: there is no such bucket or object") from error
        if error.response.status_code == _PRECONDITION_FAILED:
            raise ConflictError(f"{what}: it was changed by somebody else in the meantime: run again") from error
        raise StoreError(f"{what}: the store answered {error.response.status_code}") from error
    except (api.GoogleAPIError, auth.GoogleAuthError, requests.exceptions.RequestException) as error:
        raise StoreError(f"{what}: {(getattr(error, 'message', None) or str(error)).splitlines()[0]}") from error
