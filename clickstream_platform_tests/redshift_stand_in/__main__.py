"""`python -m clickstream_platform_tests.redshift_stand_in`: a stand-in for development, until it is interrupted.

Belongs here: the command line. Does not: anything of the stand-in itself.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from clickstream_platform_tests.redshift_stand_in import DEFAULT_ROLE, RedshiftStandIn


def main() -> None:
    """Run the stand-in and print how to connect; what it prints last is `ready`."""
    parser = argparse.ArgumentParser(description="A stand-in for Amazon Redshift, for tests and development only.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5439)
    parser.add_argument("--s3-endpoint", required=True, help="URL of the S3 server that COPY reads")
    parser.add_argument("--data", type=Path, help="folder that keeps the data; without it they are gone at the end")
    parser.add_argument("--password", default="Stand-in-1", help="of the user awsuser")
    parser.add_argument("--allow-plain", action="store_true", help="let clients connect without TLS")
    parser.add_argument("--role", action="append", default=[], metavar="ARN=s3://prefix,…", help="an IAM role")
    options = parser.parse_args()
    is_stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_stopping.set())
    with RedshiftStandIn.start(
        options.s3_endpoint,
        options.data.absolute() if options.data else None,
        host=options.host,
        port=options.port,
        password=options.password,
        require_tls=not options.allow_plain,
    ) as stand_in:
        for role in options.role:
            arn, _, prefixes = role.partition("=")
            stand_in.allow_role(arn, *filter(None, prefixes.split(",")))
        sys.stdout.write(
            f"Redshift stand-in on {stand_in.host}:{stand_in.port}, database {stand_in.database}, "
            f"user {stand_in.user}\nIAM role for COPY: {DEFAULT_ROLE}\nexport SSL_CERT_FILE={stand_in.ca_file}\nready\n"
        )
        sys.stdout.flush()
        is_stopping.wait()


if __name__ == "__main__":
    main()
