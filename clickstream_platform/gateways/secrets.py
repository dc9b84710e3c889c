"""Secrets by reference: the registry and the settings name where a secret is kept, never the secret.

    env:NAME                           an environment variable (a Kubernetes secret mounted as one)
    file:/path                         a file, without its last line break (a mounted secret)
    aws-secretsmanager:ARN-OR-NAME     AWS Secrets Manager, with boto3's own credentials

Belongs here: from a reference to the secret, at the moment somebody connects. Does not: keeping it, and what is in it
(`warehouses.redshift_connection` reads user and password).
"""

from __future__ import annotations

import re
from pathlib import Path

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.observe.logs.known_secrets import remember_secret_document
from clickstream_platform.settings import read_environment

_AWS_REGION = re.compile(r"arn:[\w-]+:secretsmanager:([\w-]+):")
_READING, _REMEDY = "reading a secret", "Check that it exists and that this process may read it."
_MAX_FILE_BYTES = 65_536  # the limit of AWS Secrets Manager, too


def resolve_secret(reference: str) -> str:
    """Return the secret that a reference names; from then on no log of this process shows it.

    Raises ConfigurationError when there is none, and WarehouseUnavailableError when AWS does not answer; neither holds
    anything of the secret.
    """
    secret = _resolve(reference)
    remember_secret_document(secret)
    return secret


def _resolve(reference: str) -> str:
    scheme, _, place = reference.partition(":")
    match scheme:
        case "env" if place:
            secret = read_environment(place)
            if not secret:
                raise _missing(reference, "the variable is not set")
            return secret
        case "file" if place.startswith("/"):
            return _read_file(reference, Path(place))
        case "aws-secretsmanager" if place:
            return _read_aws(reference, place)
    # Nothing of it is shown: it may be the secret itself, put where its reference belongs.
    raise ConfigurationError(
        "resolving a secret reference",
        cause="it has none of the known forms",
        remedy="Use env:NAME, file:/path or aws-secretsmanager:ARN.",
    )


def _read_file(reference: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            secret = file.read(_MAX_FILE_BYTES).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _missing(reference, f"it cannot be read ({type(error).__name__})") from error
    if not secret:
        raise _missing(reference, "the file is empty")
    return secret


def _read_aws(reference: str, name: str) -> str:
    # Imported only here: boto3 takes a third of a second, which no command without AWS need wait for.
    import boto3

    from clickstream_platform.gateways.aws_errors import AWS_ERRORS, aws_error

    region = _AWS_REGION.match(name)
    try:
        client = boto3.session.Session().client("secretsmanager", region_name=region[1] if region else None)
        secret = client.get_secret_value(SecretId=name).get("SecretString")
    except AWS_ERRORS as error:
        raise aws_error(error, _READING, reference, _REMEDY) from error
    if not secret:
        raise _missing(reference, "it holds no text")
    return str(secret)


def _missing(reference: str, cause: str) -> ConfigurationError:
    return ConfigurationError(_READING, where=reference, cause=cause, remedy=_REMEDY)
