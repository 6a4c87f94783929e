"""Object storage behind one small protocol: Google Cloud Storage and local folders."""

from libs.errors import CallError
from libs.storage.store import Store


def open_store(uri: str) -> Store:
    """Open the store at a URI: `gs://bucket[/prefix]`, or the path of a local folder.

    Raises CallError for a URI of another kind. Nothing is contacted or created before the first operation.
    """
    scheme, separator, rest = uri.partition("://")
    if separator and scheme == "gs":
        from libs.storage.gcs import GcsStore  # takes 0.4 s to import

        bucket, _, prefix = rest.partition("/")
        if not bucket:
            raise CallError(f"{uri!r} names no bucket: write gs://bucket or gs://bucket/prefix")
        return GcsStore.connect(bucket, prefix.strip("/"))
    if separator or not uri:
        raise CallError(f"{uri!r} is no store: use gs://bucket[/prefix] or the path of a local folder")
    from libs.storage.local import LocalStore

    return LocalStore(uri)
