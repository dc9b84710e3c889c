"""Secret references: where they lead, and that what goes wrong never shows a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber

from clickstream_platform.errors import ConfigurationError, WarehouseUnavailableError
from clickstream_platform.gateways.assumed_role import SESSION_NAME, AwsKeys, assume_role
from clickstream_platform.gateways.secrets import resolve_secret

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:loader-AbCdEf"
ROLE = "arn:aws:iam::210987654321:role/loader"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    """Return boto3's clients by service, stubbed; each remembers the region it was made for."""
    real = boto3.session.Session
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    stubs = {
        service: Stubber(real().client(service, region_name="eu-west-1", **keys))  # type: ignore[call-overload]
        for service in ("secretsmanager", "sts")
    }

    class Session:
        """Gives the stubbed clients."""

        def client(self, service: str, region_name: str | None = None) -> Any:
            assert region_name == "eu-west-1"
            return stubs[service].client

    monkeypatch.setattr(boto3.session, "Session", Session)
    for stub in stubs.values():
        stub.activate()
    yield stubs
    for stub in stubs.values():
        stub.assert_no_pending_responses()


def test_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADER_PASSWORD", "s3cret")
    assert resolve_secret("env:LOADER_PASSWORD") == "s3cret"
    monkeypatch.delenv("LOADER_PASSWORD")
    with pytest.raises(ConfigurationError, match="env:LOADER_PASSWORD: the variable is not set"):
        resolve_secret("env:LOADER_PASSWORD")


def test_a_setting_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_REGISTRY_URL", "postgresql://u:p@host/db")
    with pytest.raises(ConfigurationError):
        resolve_secret("env:CLICKSTREAM_REGISTRY_URL")


def test_a_file_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" s3cret \n\n", encoding="utf-8")
    assert resolve_secret(f"file:{tmp_path}/secret") == " s3cret \n"
    (tmp_path / "empty").write_text("", encoding="utf-8")
    (tmp_path / "bytes").write_bytes(b"\xff")
    for name, cause in (("empty", "is empty"), ("bytes", "UnicodeDecodeError"), ("none", "FileNotFoundError")):
        with pytest.raises(ConfigurationError, match=cause):
            resolve_secret(f"file:{tmp_path}/{name}")


def test_aws_secrets_manager(aws: dict[str, Stubber]) -> None:
    stub = aws["secretsmanager"]
    stub.add_response("get_secret_value", {"SecretString": "s3cret"}, {"SecretId": ARN})
    assert resolve_secret(f"aws-secretsmanager:{ARN}") == "s3cret"
    stub.add_response("get_secret_value", {"SecretBinary": b"x"}, {"SecretId": ARN})
    with pytest.raises(ConfigurationError, match="holds no text"):
        resolve_secret(f"aws-secretsmanager:{ARN}")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", WarehouseUnavailableError),
        ("InternalServiceError", WarehouseUnavailableError),
        ("ResourceNotFoundException", ConfigurationError),
        ("AccessDeniedException", ConfigurationError),
    ],
)
def test_aws_refuses(aws: dict[str, Stubber], code: str, kind: type[Exception]) -> None:
    aws["secretsmanager"].add_client_error("get_secret_value", code, http_status_code=400)
    with pytest.raises(kind, match=code):
        resolve_secret(f"aws-secretsmanager:{ARN}")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EndpointConnectionError(endpoint_url="https://x"), WarehouseUnavailableError),
        (NoCredentialsError(), ConfigurationError),
    ],
)
def test_aws_is_away(
    aws: dict[str, Stubber], monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(aws["secretsmanager"].client, "get_secret_value", fail)
    monkeypatch.setattr(aws["sts"].client, "assume_role", fail)
    with pytest.raises(kind):
        resolve_secret(f"aws-secretsmanager:{ARN}")
    with pytest.raises(kind):
        assume_role(ROLE, region="eu-west-1")


@pytest.mark.parametrize("reference", ["hunter2", "hunter2:x", "file:relative", "env:", "aws-secretsmanager:", "", ":"])
def test_what_is_no_reference_is_not_shown(reference: str) -> None:
    with pytest.raises(ConfigurationError, match="Use env:NAME") as caught:
        resolve_secret(reference)
    assert "hunter" not in str(caught.value)


def test_a_role_is_assumed_for_as_short_as_can_be(aws: dict[str, Stubber]) -> None:
    credentials = {"AccessKeyId": "A" * 16, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2026-11-22"}
    asked = {"RoleArn": ROLE, "RoleSessionName": SESSION_NAME, "DurationSeconds": 900}
    aws["sts"].add_response("assume_role", {"Credentials": credentials}, asked | {"ExternalId": "x1"})
    assert assume_role(ROLE, region="eu-west-1", external_id="x1") == AwsKeys("A" * 16, "s", "t")
    aws["sts"].add_client_error("assume_role", "AccessDenied")
    with pytest.raises(ConfigurationError, match="AccessDenied"):
        assume_role(ROLE, region="eu-west-1")
