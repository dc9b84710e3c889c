"""What errors of AWS mean to whoever only asks it for the way in: wait, or correct the set-up.

Belongs here: one rule for STS, Secrets Manager and Redshift's own API. Does not: S3 (`s3_errors`), SQL errors.
"""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from clickstream_platform.errors import ClickstreamError, ConfigurationError, WarehouseUnavailableError

AWS_ERRORS = (BotoCoreError, ClientError)
# Throttling and AWS's own faults pass; everything else (no such thing, no permission) stays until somebody acts.
_PASSING_CODES = {
    "InternalFailure",
    "InternalServerException",
    "InternalServiceError",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


def aws_error(error: Exception, failed: str, where: str, remedy: str) -> ClickstreamError:
    """Return our error for one of AWS_ERRORS: only its code, for messages of AWS may quote what was sent."""
    response = error.response if isinstance(error, ClientError) else {}
    code = str(response.get("Error", {}).get("Code", type(error).__name__))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    is_away = isinstance(error, BotoCoreError) and ("Connect" in code or "Timeout" in code)
    if code in _PASSING_CODES or status >= 500 or is_away:
        again = "AWS did not answer; it is tried again."
        return WarehouseUnavailableError(failed, where=where, cause=code, remedy=again)
    return ConfigurationError(failed, where=where, cause=code, remedy=remedy)
