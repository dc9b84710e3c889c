"""Temporary AWS credentials of a role that another account or team gives us, by STS.

Belongs here: assuming one role. Does not: what is done with its credentials (`redshift_login`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

SESSION_NAME = "clickstream-platform"
_DURATION_SECONDS = 900  # the least STS gives: they are needed for one request for database credentials
_REMEDY = "Check the role's trust policy, its external id and this process's right to sts:AssumeRole."


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """Temporary credentials; only the key's id is ever shown."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


def assume_role(role_arn: str, *, region: str, external_id: str = "") -> AwsKeys:
    """Assume a role with boto3's own credentials.

    Raises ConfigurationError when it is refused and WarehouseUnavailableError when AWS does not answer.
    """
    # Imported only here: boto3 takes a third of a second, which no command without AWS need wait for.
    import boto3

    from clickstream_platform.gateways.aws_errors import AWS_ERRORS, aws_error

    extra = {"ExternalId": external_id} if external_id else {}
    try:
        client = boto3.session.Session().client("sts", region_name=region)
        answer = client.assume_role(
            RoleArn=role_arn, RoleSessionName=SESSION_NAME, DurationSeconds=_DURATION_SECONDS, **extra
        )
    except AWS_ERRORS as error:
        raise aws_error(error, "assuming a role", role_arn, _REMEDY) from error
    keys = answer["Credentials"]
    return AwsKeys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
