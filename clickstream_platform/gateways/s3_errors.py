"""What the errors of S3 and of botocore mean for the platform.

What belongs here: the one table from error codes to the platform's errors, with the permission to ask for.
What does not: retrying, which is botocore's (`s3_objects`) and for broken streams the reader's (`s3_reader`).

Messages carry the error's code, status and request id, never the text a server sent nor anything of the credentials.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from clickstream_platform.errors import (
    ClickstreamError,
    ConfigurationError,
    InvalidNameError,
    ObjectChangedError,
    ObjectStoreUnavailableError,
)
from clickstream_platform.gateways.object_store import not_found

ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
CONFLICT = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
BEYOND_END = frozenset({"InvalidRange", "416"})

_PERMISSIONS = {
    "read": "s3:GetObject (and s3:ListBucket, so that S3 may say that an object does not exist)",
    "look up": "s3:GetObject (and s3:ListBucket, so that S3 may say that an object does not exist)",
    "put": "s3:PutObject (and s3:AbortMultipartUpload)",
    "list": "s3:ListBucket",
    "delete": "s3:DeleteObject",
}
_BAD_CREDENTIALS = "Correct or renew the credentials that boto3 finds (environment, profile or role)."
_REMEDIES = {
    "InvalidAccessKeyId": _BAD_CREDENTIALS,
    "SignatureDoesNotMatch": _BAD_CREDENTIALS,
    "InvalidToken": _BAD_CREDENTIALS,
    "ExpiredToken": _BAD_CREDENTIALS,
    "RequestTimeTooSkewed": "Set the machine's clock: S3 refuses requests more than 15 minutes off.",
    "InvalidObjectState": "The object is archived: restore it from Glacier first.",
    "NoSuchBucket": "Create the bucket, or correct its name.",
    "PermanentRedirect": "Set the region, or the endpoint, of the bucket.",
    "301": "Set the region, or the endpoint, of the bucket.",
    "AuthorizationHeaderMalformed": "Set the region of the bucket.",
    "IllegalLocationConstraintException": "Set the region of the bucket.",
}
# Waiting helps, whatever the status; 429 and every 5xx are retryable anyway (S3 API reference, "Error responses").
_RETRYABLE = frozenset({"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "RequestLimitExceeded"})
# The network, the server or the credentials service did not answer; everything else of botocore is a wrong setting.
_UNAVAILABLE = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.IncompleteReadError,
    boto.ResponseStreamingError,
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
)


def error_code(error: ClientError) -> str:
    """Return S3's error code, or the HTTP status where an answer has no body (HEAD)."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def s3_errors(action: str, where: str) -> Iterator[None]:
    """Raise what an error of boto3 means; action is "open" or one with a permission above, where a key or prefix."""
    try:
        yield
    except ClientError as error:
        raise _meaning(action, where, error) from error
    except _UNAVAILABLE as error:
        raise unavailable(action, where, type(error).__name__) from error
    except BotoCoreError as error:
        remedy = "Check the bucket, the endpoint, the region and where boto3 shall find credentials."
        raise ConfigurationError(_failed(action, where), cause=type(error).__name__, remedy=remedy) from error


def unavailable(action: str, where: str, cause: str) -> ObjectStoreUnavailableError:
    """Return the retryable error for a store that did not answer."""
    remedy = "Try again later; if it stays, check the endpoint, the network and the request rate."
    return ObjectStoreUnavailableError(_failed(action, where), cause=cause, remedy=remedy)


def _failed(action: str, where: str) -> str:
    return f"cannot {action} {where!r} in S3"


def _meaning(action: str, where: str, error: ClientError) -> ClickstreamError:
    code = error_code(error)
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    cause = f"{code} (HTTP {status}, request {metadata.get('RequestId', 'unknown')})"
    failed = _failed(action, where)
    if code in ABSENT and action != "list":
        return not_found(where)
    if code in CONFLICT:
        remedy = "Objects are written once: find out who writes under this name, then start again."
        return ObjectChangedError(failed, cause=f"it changed meanwhile, {cause}", remedy=remedy)
    if code in _RETRYABLE or status == 429 or status >= 500:
        return unavailable(action, where, cause)
    if code == "KeyTooLongError":
        return InvalidNameError(failed, cause=cause, remedy="Use a shorter prefix or shorter names.")
    if code in _REMEDIES:
        return ConfigurationError(failed, cause=cause, remedy=_REMEDIES[code])
    if status == 403:
        remedy = f"Grant {_PERMISSIONS.get(action, 'access')} on the bucket and prefix to the platform's role."
        return ConfigurationError(failed, cause=f"access is denied, {cause}", remedy=remedy)
    return ConfigurationError(failed, cause=cause, remedy="Look the code up in the S3 API's list of error responses.")
