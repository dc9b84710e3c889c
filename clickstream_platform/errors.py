"""Every error of the platform, sorted by what the caller does next.

    ClickstreamError
    ├── RetryableError       wait and try again: nothing is wrong with the data or the set-up
    │   ├── ObjectStoreUnavailableError
    │   ├── WarehouseUnavailableError
    │   └── StaleStagingError      the table changed since the rows were staged: stage again
    ├── TerminalError        a person must act: trying again gives the same result
    │   ├── ConfigurationError
    │   ├── InvalidNameError
    │   ├── ObjectNotFoundError
    │   ├── ObjectChangedError     an object that must never change did
    │   ├── ReconciliationError    counts do not add up; nothing was committed
    │   ├── RegistryError
    │   └── LoadError
    └── RejectedRecordError  one record is put into quarantine and the work goes on

What belongs here: the classes and the form of their message, `<what failed> <for which stream-hour>: <cause>. <what
to do>`. What does not: handling. Errors are returned to the caller by raising; only the outermost layer logs them.
"""

from __future__ import annotations


class ClickstreamError(Exception):
    """The root of all errors; carries the parts of its message as attributes."""

    def __init__(self, failed: str, *, where: str = "", cause: str = "", remedy: str = "") -> None:
        """Compose the message from what failed, for which stream-hour, why, and what to do."""
        self.failed, self.where, self.cause, self.remedy = failed, where, cause, remedy
        text = f"{failed} for {where}" if where else failed
        if cause:
            text = f"{text}: {cause}"
        super().__init__(f"{text.rstrip('.')}. {remedy}".strip())


class RetryableError(ClickstreamError):
    """Waiting and trying again may succeed."""


class ObjectStoreUnavailableError(RetryableError):
    """The object store did not answer, or throttled."""


class WarehouseUnavailableError(RetryableError):
    """The warehouse refused the connection, dropped it, or another writer holds it."""


class StatementStoppedError(WarehouseUnavailableError):
    """The warehouse stopped a statement: a limit of time or memory, a rule, a person.

    If it does so again, the stream that the statement was for is at fault, and no other.
    """


class StaleStagingError(RetryableError):
    """The target table changed since the rows were staged; stage the stream-hour again."""


class TerminalError(ClickstreamError):
    """Trying again gives the same result; a person must act."""


class ConfigurationError(TerminalError):
    """A setting is missing, unknown or contradicts another."""


class InvalidNameError(TerminalError):
    """A customer, event, hour or key does not follow the written grammar."""


class ObjectNotFoundError(TerminalError):
    """An object that is named does not exist."""


class ObjectChangedError(TerminalError):
    """An object that must never change was changed, or exists where it must not."""


class ReconciliationError(TerminalError):
    """Raw records are not loaded + duplicates + rejected; the load was rolled back."""


class RegistryError(TerminalError):
    """The registry refuses a request: unknown or duplicate name, or an impossible change of state."""


class LoadError(TerminalError):
    """The warehouse refuses the rows or the schema change."""


class RejectedRecordError(ClickstreamError):
    """One record is not valid; it goes to quarantine with a reason code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """Keep the reason code (see `model.records.Reason`) and a short detail."""
        self.reason, self.detail = reason, detail
        super().__init__(f"record rejected ({reason})", cause=detail)
