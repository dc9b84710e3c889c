"""The boto3 client of the S3 store: its limits, its retries and where credentials come from.

What belongs here: making the client. What does not: requests (`s3_objects`), other AWS services (their own gateways).

Credentials come only from boto3's own chain (environment, profile, web identity, pod or instance role), never from
here. Limits: 5 s to connect and 60 s without a byte; 8 tries per request in botocore's standard retry mode, which backs
off with jitter up to 20 s and knows throttling and 5xx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from clickstream_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS, READ_SECONDS = 5, 60
MAX_ATTEMPTS = 8


def s3_client(endpoint_url: str | None, region: str | None, max_workers: int, max_attempts: int) -> S3Client:
    """Return a client, safe to share between threads; ConfigurationError when the endpoint holds a password."""
    if endpoint_url and urlsplit(endpoint_url).username is not None:
        raise ConfigurationError(
            "cannot use the S3 endpoint",
            cause="its address holds a user name or password",
            remedy="Leave them out of the address: boto3 finds credentials in the environment, a profile or a role.",
        )
    config = Config(
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        # Listings and single reads go on beside a batch and a multipart upload, so there are connections for both.
        max_pool_connections=2 * max_workers + 4,
        tcp_keepalive=True,
        # Other servers rarely have a host name per bucket, and many refuse the checksum trailers that Amazon wants.
        s3={"addressing_style": "path"} if endpoint_url else None,
        request_checksum_calculation="when_required" if endpoint_url else None,
        response_checksum_validation="when_required" if endpoint_url else None,
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint_url, region_name=region, config=config)
