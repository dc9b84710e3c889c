"""What the errors of a file system mean for an object store.

What belongs here: the one table from OSError to the platform's errors. What does not: deciding what to do about them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from clickstream_platform.errors import (
    ClickstreamError,
    ConfigurationError,
    InvalidNameError,
    ObjectStoreUnavailableError,
)
from clickstream_platform.gateways.object_store import not_found

_NAME_REMEDY = "In a local folder no key may be another's beginning up to a '/'. Change one of the names, or use S3."
# errno → (class, remedy); every other number is retryable: the disk or the network mount may come back.
_MEANINGS: dict[int, tuple[type[ClickstreamError], str]] = {
    errno.EACCES: (ConfigurationError, "Give the platform's user read and write access to the folder."),
    errno.EPERM: (ConfigurationError, "Use a file system with hard links, and one the platform's user may write to."),
    errno.EOPNOTSUPP: (ConfigurationError, "Use a file system with hard links."),
    errno.EROFS: (ConfigurationError, "Mount the folder so that it can be written to."),
    errno.ENAMETOOLONG: (InvalidNameError, "Keep the objects under a shorter path, or in S3."),
    errno.EEXIST: (InvalidNameError, _NAME_REMEDY),
    errno.ENOTDIR: (InvalidNameError, _NAME_REMEDY),
    errno.EISDIR: (InvalidNameError, _NAME_REMEDY),
    errno.ENOSPC: (ObjectStoreUnavailableError, "Free some space on the disk and try again."),
    errno.EDQUOT: (ObjectStoreUnavailableError, "Free some space within the quota and try again."),
}


@contextmanager
def local_errors(action: str, key: str) -> Iterator[None]:
    """Raise what an OSError means for one object; action is the message's verb, "read" may be ObjectNotFoundError."""
    try:
        yield
    except OSError as error:
        if action == "read" and isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            raise not_found(key) from error
        kind, remedy = _MEANINGS.get(error.errno or 0, (ObjectStoreUnavailableError, "Check the disk and try again."))
        cause = f"{error.strerror or error} ({error.filename})" if error.filename else str(error.strerror or error)
        raise kind(f"cannot {action} object {key!r}", cause=cause, remedy=remedy) from error
