"""The policies against the code: what it asks of AWS is allowed, what is allowed is asked, and nothing is wide.

What only a real account can show: whether IAM reads a policy as `rights` does.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

import clickstream_platform
from clickstream_platform.batcher.names import notes_prefix, shard_name, strays_key
from clickstream_platform_tests.deploy.terraform.module_files import (
    MODULE,
    SAMPLE,
    as_list,
    local_values,
    placeholders,
    policy_names,
    rendered,
    role_policies,
    text_without_comments,
)
from clickstream_platform_tests.deploy.terraform.rights import Rights

PACKAGE = Path(clickstream_platform.__file__).parent
SERVICES = ("collector", "batcher", "runs", "code_server", "registry", "exporter", "operator")

IAM_NAMES = {
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:HeadObject": {"s3:GetObject"},
    "s3:upload_file": {"s3:PutObject", "s3:AbortMultipartUpload"},
}
"""What IAM calls the operations whose right has another name; `upload_file` is boto3's own, in parts."""

NOT_GRANTED = {
    "s3:DeleteObject": "notes and probes, which lifecycle rules remove; housekeeping_deletes grants it",
    "redshift:GetClusterCredentials": "a destination with the setting `user`: a named user instead of the role's own",
    "sts:AssumeRole": "a destination with the setting `assume_role`: a role of another account, unknown here",
}
"""Operations that some code can ask for and that no role has by default, with the reason."""

MAY_BE_WIDE = {
    ("cluster_autoscaler", "Look"): "these actions know no resources",
    ("queue", "TlsOnly"): "it denies",
    ("bucket", "TlsOnly"): "it denies",
}


@cache
def operations() -> dict[str, dict[str, str]]:
    """Return the services that a client is made of, with the Python names of their operations."""
    session = botocore.session.get_session()
    found = {name for path in gateways() for name in re.findall(r'\bclient\(\s*"([a-z0-9-]+)"', path.read_text())}
    return {
        name: {xform_name(each): each for each in session.get_service_model(name).operation_names} for name in found
    }


def gateways() -> list[Path]:
    """Return the modules that may talk to AWS: the only ones that import boto3, as an import contract holds."""
    return [p for p in sorted(PACKAGE.rglob("*.py")) if re.search(r"^\s*(import boto|from boto)", p.read_text(), re.M)]


def asked() -> Iterator[str]:
    """Yield what the code asks of AWS, as `service:Operation`: calls of a client's methods, or with their names."""
    for path in [*gateways(), PACKAGE / "gateways" / "s3_client.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            first = node.args[0] if node.args else None
            named = {first.value} if isinstance(first, ast.Constant) and isinstance(first.value, str) else set()
            for name in {node.func.attr} | (named if node.func.attr in {"ask", "get_paginator"} else set()):
                if name == "upload_file":
                    yield "s3:upload_file"
                yield from (f"{service}:{of[name]}" for service, of in operations().items() if name in of)


def rights_asked() -> set[str]:
    """Return the rights that the code's calls need."""
    return {right for call in asked() for right in IAM_NAMES.get(call, {call})}


def test_the_calls_are_found() -> None:
    assert set(operations()) == {"kinesis", "redshift", "redshift-serverless", "s3", "secretsmanager", "sts"}
    assert set(asked()) == {
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:PutRecords",
        "redshift-serverless:GetCredentials",
        "redshift-serverless:GetWorkgroup",
        "redshift:DescribeClusters",
        "redshift:GetClusterCredentials",
        "redshift:GetClusterCredentialsWithIAM",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:HeadObject",
        "s3:ListObjectsV2",
        "s3:PutObject",
        "s3:upload_file",
        "secretsmanager:GetSecretValue",
        "sts:AssumeRole",
    }


def test_what_the_code_asks_is_allowed_to_somebody_and_nothing_else_is() -> None:
    granted = {action for role in SERVICES for action in Rights(role).actions()}
    granted |= {action for each in rendered("warehouse_provisioned") for action in as_list(each["Action"])}
    assert granted == rights_asked() - NOT_GRANTED.keys()
    assert NOT_GRANTED.keys() <= rights_asked()


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        ("collector", {"kinesis:PutRecords", "kinesis:DescribeStreamSummary"}),
        ("batcher", {"kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords", "s3:GetObject"}),
        ("runs", {"kinesis:ListShards", "s3:GetObject"}),
        ("code_server", {"s3:GetObject"}),
        ("registry", {"s3:GetObject"}),
        ("exporter", {"s3:GetObject"}),
        ("operator", {"kinesis:ListShards", "s3:GetObject"}),
    ],
)
def test_each_role_has_its_own_rights(role: str, actions: set[str]) -> None:
    shared = {"secretsmanager:GetSecretValue"}
    stores = set() if role == "collector" else {"s3:ListBucket"}
    writes = {"s3:PutObject"} if role == "code_server" else {"s3:PutObject", "s3:AbortMultipartUpload"}
    logs_in = {"redshift-serverless:GetCredentials", "redshift-serverless:GetWorkgroup"}
    expected = shared | stores | actions
    expected |= writes if role in {"batcher", "runs", "code_server", "operator"} else set()
    expected |= logs_in if role not in {"collector", "batcher"} else set()
    assert Rights(role).actions() == expected


def test_who_writes_where() -> None:
    written = {role: Rights(role).prefixes("s3:PutObject") for role in SERVICES}
    assert written == {
        "collector": set(),
        "batcher": {"raw", "seals", "batcher"},
        "runs": {"manifests", "staged", "quarantine", "discarded", "registry"},
        "code_server": {"registry"},
        "registry": set(),
        "exporter": set(),
        "operator": {"raw", "seals"},
    }


def test_nobody_deletes_unless_somebody_says_so() -> None:
    deleting = {
        name
        for name in policy_names()
        for each in rendered(name)
        if each["Effect"] == "Allow" and any("delete" in action.lower() for action in as_list(each["Action"]))
    }
    assert deleting == {"batcher_housekeeping", "runs_housekeeping"}
    roles = str(local_values()["roles"])
    assert all(f'var.housekeeping_deletes ? ["{name}"] : []' in roles.replace("\\", "") for name in deleting)
    (denial,) = [each for each in rendered("bucket") if each["Sid"] == "NobodyDeletesRecords"]
    assert denial["Effect"] == "Deny"
    assert as_list(denial["Resource"]) == [f"{SAMPLE['bucket_arn']}/{prefix}/*" for prefix in ("raw", "seals")]


def test_housekeeping_reaches_notes_and_probes_and_no_records() -> None:
    (notes,), (probes,) = rendered("batcher_housekeeping"), rendered("runs_housekeeping")
    patterns = [re.compile(re.escape(p).replace(r"\*", ".*")) for p in [notes["Resource"], *probes["Resource"]]]

    def may_delete(key: str) -> bool:
        return any(pattern.fullmatch(f"{SAMPLE['bucket_arn']}/{key}") for pattern in patterns)

    assert may_delete(f"{notes_prefix('events', shard_name('events', 'shardId-000000000007'))}000000000001.ids")
    assert may_delete("staged/doctor-0123456789ab/probe")
    assert may_delete("staged/customer=shop/hour=2026-11-22T09/doctor-0123456789ab/part-000.parquet")
    assert not may_delete(strays_key("events", "events.000000000007", 1, 2))
    assert not may_delete("staged/customer=shop/hour=2026-11-22T09/0b8e6a51/batch.json")
    assert not may_delete("raw/hour=2026-11-22T09/customer=shop/event=order/s-1-2.ndjson.gz")


def test_the_notes_prefix_is_what_the_batcher_writes() -> None:
    """Terraform computes it as `shard_name` does; its own test has the same name for the default installation."""
    prefix = "clickstream_events.b6c5a0fc."
    assert shard_name("clickstream-events", "shardId-000000000003") == f"{prefix}000000000003"
    assert f'local.shard_prefix == "{prefix}"' in (MODULE / "tests" / "module.tftest.hcl").read_text()
    computed = local_values()["shard_prefix"]
    assert computed == "${local.kinesis_slug}.${substr(sha256(local.kinesis_name), 0, 8)}."
    assert local_values()["kinesis_slug"] == '${replace(local.kinesis_name, "/[^A-Za-z0-9_]/", "_")}'


def test_no_action_and_no_resource_is_everything() -> None:
    wide = {
        (name, each.get("Sid", "")): each
        for name in policy_names()
        for each in rendered(name)
        if any("*" in action for action in as_list(each["Action"])) or "*" in as_list(each.get("Resource", []))
    }
    assert wide.keys() == MAY_BE_WIDE.keys()
    assert all(each["Effect"] == "Deny" for (name, _), each in wide.items() if name != "cluster_autoscaler")
    assert all(
        re.match(r"\w+:(Describe|Get)", action) for action in as_list(wide["cluster_autoscaler", "Look"]["Action"])
    )


def test_roles_are_for_one_service_account_each() -> None:
    (statement,) = rendered("trust")
    conditions = statement["Condition"]
    assert conditions.keys() == {"StringEquals"}
    assert conditions["StringEquals"] == {
        f"{SAMPLE['oidc_host']}:aud": "sts.amazonaws.com",
        f"{SAMPLE['oidc_host']}:sub": f"system:serviceaccount:{SAMPLE['subject']}",
    }
    assert not [
        name for role in SERVICES for name in role_policies(role) if any("Condition" in s for s in rendered(name))
    ]


def test_every_policy_is_used_and_says_nothing_that_it_is_not_given() -> None:
    code = "\n".join(text_without_comments(path) for path in MODULE.glob("*.tf"))
    named = set(re.findall(r"policies/(\w+)\.json\.tftpl", code)) | local_values()["roles"].keys()
    named |= {name for name in policy_names() if f'"{name}"' in code}
    named |= {name for name, addon in local_values()["addons"].items() if addon["managed"] is None}
    assert set(policy_names()) == named
    given_apart = {"trust", "queue", "bucket", "replication"}
    values = local_values()["policy_values"].keys()
    assert {name for name in set(policy_names()) - given_apart if placeholders(name) - values} == set()
    assert {value for name in policy_names() for value in placeholders(name)} >= values


def test_secrets_are_read_by_folder() -> None:
    folders = {
        role: {
            resource.rpartition(":")[2].split("/")[1]
            for each in Rights(role).statements
            if "secretsmanager:GetSecretValue" in as_list(each["Action"])
            for resource in as_list(each["Resource"])
        }
        for role in SERVICES
    }
    made = {name.partition("/")[0] for name in local_values()["secrets"]}
    assert set().union(*folders.values()) | {"database"} == made
    assert [role for role, read in folders.items() if "database" in read] == []
    assert folders["collector"] == {"collector", "log-index"}
