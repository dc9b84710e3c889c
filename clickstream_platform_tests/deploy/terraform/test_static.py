"""The module without Terraform: everything described, typed and used, every reference there, nothing open."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clickstream_platform.settings import Settings
from clickstream_platform_tests.deploy.terraform.module_files import (
    MODULE,
    blocks,
    local_values,
    parsed,
    sources,
    text_without_comments,
)

EXAMPLE = MODULE / "examples" / "complete"
FOLDERS = [MODULE, EXAMPLE]


def text(folder: Path) -> str:
    return "\n".join(text_without_comments(path) for path in sources(folder))


@pytest.mark.parametrize("folder", FOLDERS, ids=["module", "example"])
def test_every_variable_and_output_is_described_and_every_variable_typed_and_used(folder: Path) -> None:
    variables, outputs = blocks("variable", folder), blocks("output", folder)
    undescribed = [name for name, block in (variables | outputs).items() if not block.get("description")]
    untyped = [name for name, block in variables.items() if "type" not in block]
    used = set(re.findall(r"\bvar\.(\w+)", text(folder)))
    assert (undescribed, untyped) == ([], [])
    assert variables.keys() == used


@pytest.mark.parametrize("folder", FOLDERS, ids=["module", "example"])
def test_every_reference_resolves_and_every_local_is_used(folder: Path) -> None:
    code = text(folder)
    assert set(re.findall(r"\blocal\.(\w+)", code)) == local_values(folder).keys()
    resources, data = blocks("resource", folder), blocks("data", folder)
    asked_data = {".".join(found) for found in re.findall(r"\bdata\.(\w+)\.(\w+)", code)}
    assert asked_data <= data.keys()
    assert {name for name in data if name not in asked_data} == set()
    assert {".".join(found) for found in re.findall(r"(?<!data\.)\b(aws_\w+)\.(\w+)", code)} <= resources.keys()
    assert set(re.findall(r"\bmodule\.(\w+)", code)) <= blocks("module", folder).keys()


def test_the_example_gives_the_module_what_it_needs_and_nothing_it_does_not_know() -> None:
    (call,) = blocks("module", EXAMPLE).values()
    variables = blocks("variable")
    given = call.keys() - {"source"}
    assert given <= variables.keys()
    assert {name for name, block in variables.items() if "default" not in block} <= given
    assert (EXAMPLE / call["source"]).resolve() == MODULE
    tfvars = set(re.findall(r"(?m)^(\w+) +=", (EXAMPLE / "terraform.tfvars.example").read_text()))
    needed = {name for name, block in blocks("variable", EXAMPLE).items() if "default" not in block}
    assert needed <= tfvars <= blocks("variable", EXAMPLE).keys()


def test_versions_are_bounded() -> None:
    for folder in FOLDERS:
        (block,) = parsed(folder / "versions.tf")["terraform"]
        (providers,) = block["required_providers"]
        assert block["required_version"].startswith(">=")
        assert {name: ("<" in each["version"]) for name, each in providers.items()} == {"aws": True}


def test_everything_that_can_be_tagged_carries_the_installation() -> None:
    untaggable = {
        "aws_db_parameter_group.parameter",
        "aws_ecr_lifecycle_policy",
        "aws_eks_access_policy_association",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_redshiftserverless_usage_limit",
        "aws_route_table_association",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_notification",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_replication_configuration",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        "aws_sqs_queue_policy",
        "aws_sqs_queue_redrive_allow_policy",
        "aws_vpc_security_group_ingress_rule",
    }
    assert "local.tags" in str(local_values()["node_tags"])
    untagged = [
        name
        for name, block in blocks("resource").items()
        if name.partition(".")[0] not in untaggable and not re.search(r"local\.(node_)?tags", str(block.get("tags")))
    ]
    assert untagged == []


def test_what_cannot_be_made_again_is_not_destroyed() -> None:
    kept = {name for name, block in blocks("resource").items() if "prevent_destroy" in str(block.get("lifecycle"))}
    assert kept == {
        "aws_kinesis_stream.events",
        "aws_redshiftserverless_namespace.this",
        "aws_s3_bucket.objects",
    }
    database = blocks("resource")["aws_db_instance.database"]
    assert database["deletion_protection"] == "${var.database.deletion_protection}"
    assert (database["skip_final_snapshot"], database["storage_encrypted"]) == (False, False) or (
        str(database["skip_final_snapshot"]).lower(),
        str(database["storage_encrypted"]).lower(),
    ) == ("false", "true")


def test_the_bucket_keeps_raw_objects_as_long_as_the_platform_says_and_no_version_for_ever() -> None:
    days = local_values()["lifecycle_days"]
    for prefix in ("raw/", "seals/", "manifests/", "quarantine/", "discarded/"):
        assert days[prefix] == "${var.retention_days}"
    assert "registry/" not in days
    retention = blocks("variable")["retention_days"]
    assert int(retention["default"]) == Settings().retention_days
    resources = blocks("resource")
    for name in ("versioning", "public_access_block", "server_side_encryption_configuration", "ownership_controls"):
        assert f"aws_s3_bucket_{name}.objects" in resources
    block = resources["aws_s3_bucket_public_access_block.objects"]
    assert {str(block[name]).lower() for name in block if name != "bucket"} == {"true"}
    rules = str(resources["aws_s3_bucket_lifecycle_configuration.objects"])
    assert "noncurrent_version_expiration" in rules
    assert "abort_incomplete_multipart_upload" in rules


def test_no_secret_has_a_value_in_the_state() -> None:
    resources = blocks("resource")
    assert not [name for name in resources if name.startswith("aws_secretsmanager_secret_version")]
    code = text(MODULE)
    assert not re.search(r"(?m)^\s*(password|admin_user_password|secret_string|master_password)\b", code)
    assert "manage_master_user_password = true" in re.sub(r" +", " ", code)
    assert "manage_admin_password = true" in re.sub(r" +", " ", code)


def test_nothing_is_reachable_from_everywhere() -> None:
    for path in sources():
        for line in text_without_comments(path).splitlines():
            assert "0.0.0.0/0" not in line or "cidr_block = " in re.sub(r" +", " ", line), f"{path.name}: {line}"
            assert "publicly_accessible" not in line or line.rstrip().endswith("false"), f"{path.name}: {line}"
