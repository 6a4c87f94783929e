"""Objects in a bucket of Google Cloud Storage."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, Self, cast

import google_crc32c
import requests.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.exceptions import InvalidResponse

from libs.errors import ConflictError, ObjectNotFoundError, StoreError
from libs.storage.store import Checksums, Listed, Stat

_PRECONDITION_FAILED = 412
_UPLOAD_CHUNK = 8 << 20
"""Bytes held in memory for each object that is being written."""


class _BlobWriter:
    def __init__(self, stream: Any, what: str) -> None:
        self._stream = stream
        self._what = what
        self.checksums = Checksums()

    def write(self, data: bytes, /) -> object:
        self.checksums.update(data)
        with _told(self._what):
            return self._stream.write(data)


class GcsStore:
    """A store in a bucket, below a prefix. The client is passed in; `connect` makes the usual one."""

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

    def stat(self, key: str) -> Stat | None:
        """Return an object's size and checksum, without reading it."""
        with _told(f"cannot read {self.url(key)}"):
            blob = self._bucket.get_blob(self._prefix + key)
            return None if blob is None else Stat(blob.size, base64.b64decode(blob.crc32c).hex())

    @contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        """Open an object for reading, of one generation throughout."""
        with _told(f"cannot read {self.url(key)}"):
            blob = self._bucket.get_blob(self._prefix + key)
            if blob is None:
                self._need_bucket()
                raise ObjectNotFoundError(f"{self.url(key)} does not exist")
            with blob.open("rb", if_generation_match=blob.generation) as stream:
                yield cast(BinaryIO, stream)

    @contextmanager
    def write(self, key: str) -> Iterator[_BlobWriter]:
        """Upload resumably; the object exists when the block has ended, its crc32c compared with ours."""
        what = f"cannot write {self.url(key)}"
        blob = self._bucket.blob(self._prefix + key)
        stream = blob.open("wb", chunk_size=_UPLOAD_CHUNK, ignore_flush=True)
        writer = _BlobWriter(stream, what)
        try:
            yield writer
            with _told(what):
                stream.close()
        except BaseException:
            _abandon(stream)
            raise
        with _told(what):
            blob.reload()
            self._verify(key, blob.crc32c, writer.checksums.crc32c)

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's bytes; their version is its generation."""
        with _told(f"cannot read {self.url(key)}"):
            blob = self._bucket.get_blob(self._prefix + key)
            if blob is None:
                return None
            data = cast(bytes, blob.download_as_bytes(if_generation_match=blob.generation))
            return data, str(blob.generation)

    def write_if(self, key: str, data: bytes, version: str | None) -> None:
        """Upload on the condition that the generation is still this one."""
        with _told(f"cannot write {self.url(key)}"):
            blob = self._bucket.blob(self._prefix + key)
            blob.upload_from_string(data, checksum="crc32c", if_generation_match=int(version or 0))
            self._verify(key, blob.crc32c, google_crc32c.Checksum(data).hexdigest().decode())

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
        if not self._bucket.exists():
            raise StoreError(f"there is no bucket gs://{self._bucket_name}: make it, or mend the URI")

    def _verify(self, key: str, theirs: str | None, ours: str) -> None:
        if theirs is None or base64.b64decode(theirs).hex() != ours:
            raise StoreError(f"{self.url(key)} was stored damaged (its crc32c differs from what was sent): run again")


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
    except InvalidResponse as error:
        if error.response.status_code == _PRECONDITION_FAILED:
            raise ConflictError(f"{what}: it was changed by somebody else in the meantime: run again") from error
        raise StoreError(f"{what}: the store answered {error.response.status_code}") from error
    except (api.GoogleAPIError, auth.GoogleAuthError, requests.exceptions.RequestException) as error:
        raise StoreError(f"{what}: {(getattr(error, 'message', None) or str(error)).splitlines()[0]}") from error
