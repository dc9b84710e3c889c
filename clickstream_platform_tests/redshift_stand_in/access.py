"""Who may read what from S3: roles attached to the cluster, temporary credentials, the client that reads.

Belongs here: the check of a COPY's authorization. Does not: what is done with the objects (`copy_load`).
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from clickstream_platform_tests.redshift_stand_in.plans import CopyCommand
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_ROLE = "arn:aws:iam::123456789012:role/redshift-copy"


@dataclass
class Access:
    """Roles with the prefixes they may read; a COPY with keys is checked by the S3 server itself."""

    endpoint_url: str
    roles: dict[str, tuple[str, ...]] = field(default_factory=lambda: {DEFAULT_ROLE: ("s3://",)})
    default_role: str = DEFAULT_ROLE
    _clients: dict[tuple[str, str, str], S3Client] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reader(self, command: CopyCommand) -> Reader:
        """Return what reads objects for a COPY; raise SqlError for a role that isn't attached."""
        if command.credentials:
            return Reader(self._client(command.credentials), ("s3://",))
        chain = [self.default_role if role == "default" else role for role in command.role.split(",")]
        if chain[0] not in self.roles:
            raise SqlError(
                "XX000",
                "Cannot assume role",
                _context(f"User arn:aws:redshift:stand-in is not authorized to assume IAM Role {chain[0]}"),
            )
        # With a chain, the last role is the one that reads.
        prefixes = self.roles.get(chain[-1])
        if prefixes is None:
            raise SqlError("XX000", "Cannot assume role", _context(f"{chain[-1]} is not known"))
        own = (os.environ.get("AWS_ACCESS_KEY_ID", "stand-in"), os.environ.get("AWS_SECRET_ACCESS_KEY", "stand-in"), "")
        return Reader(self._client(own), prefixes)

    def _client(self, credentials: tuple[str, str, str]) -> S3Client:
        key, secret, token = credentials
        with self._lock:
            if credentials not in self._clients:
                self._clients[credentials] = boto3.session.Session().client(
                    "s3",
                    endpoint_url=self.endpoint_url,
                    aws_access_key_id=key,
                    aws_secret_access_key=secret,
                    aws_session_token=token or None,
                    region_name="us-east-1",
                    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
                )
            return self._clients[credentials]


@dataclass(frozen=True)
class Reader:
    """Reads objects that one authorization may read."""

    client: S3Client
    prefixes: tuple[str, ...]

    def read(self, url: str) -> bytes:
        """Return an object; raise SqlError with the error S3 would give."""
        if not url.startswith(self.prefixes):
            raise s3_error("Access Denied", 403, "AccessDenied", url)
        bucket, _, key = url.removeprefix("s3://").partition("/")
        try:
            return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            fields = error.response.get("Error", {})
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            raise s3_error(fields.get("Message", ""), status, fields.get("Code", ""), url) from error
        except BotoCoreError as error:
            raise s3_error(str(error), 503, "ServiceUnavailable", url) from error


def s3_error(text: str, status: int, code: str, url: str) -> SqlError:
    """Return the error of an object that can't be read, as Redshift words it."""
    key = url.removeprefix("s3://").partition("/")[2]
    return SqlError(
        "XX000",
        f"S3ServiceException:{text},Status {status},Error {code},Rid STANDIN,ExtRid STANDIN,CanRetry 1",
        _context(f"S3 key being read : {url}", code=8001) + f"\n  key: {key}",
    )


def _context(text: str, code: int = 30000) -> str:
    return f"error: S3 access\n  code: {code}\n  context: {text}"
