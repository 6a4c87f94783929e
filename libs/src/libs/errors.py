"""Errors that are written for people: each says what was wrong, where, and what to do."""


class StageError(Exception):
    """The data or the run failed. A stage that ends with one exits with 1."""


class CallError(Exception):
    """The call itself was wrong (an unknown entity, a bad date). A stage that ends with one exits with 2."""


class ObjectNotFoundError(StageError):
    """No object stands at a key."""


class ConflictError(StageError):
    """An object was changed by somebody else between reading and writing it."""


class StoreError(StageError):
    """The object store refused or could not be reached: a missing bucket, no permission, a full disk."""


class ManifestError(StageError):
    """A manifest is missing, unreadable, or names objects that are not there as it describes them."""
