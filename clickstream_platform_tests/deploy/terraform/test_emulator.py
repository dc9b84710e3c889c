"""`terraform apply` on an emulator of AWS: everything is made, in an order that works, and what it says is so.

What the emulator lacks is left out or given: Redshift Serverless (a cluster is given), versions of EKS's add-ons, and
an OpenID issuer with HTTPS. Which instances are started, whether IAM refuses, and what Amazon charges only a real
account shows.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml

from clickstream_platform_tests.deploy.terraform.module_files import initialized, terraform
from clickstream_platform_tests.servers import free_port, stop_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

BUCKET = "clickstream-emulated"
SERVICES = ("autoscaling", "ec2", "ecr", "eks", "iam", "kinesis", "logs", "rds", "s3", "secretsmanager", "sqs", "sts")
ROOT = """
provider "aws" {{
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true

  endpoints {{
{endpoints}
  }}
}}

module "clickstream" {{
  source               = "../.."
  bucket_name          = "{bucket}"
  notifications        = true
  cluster_public_cidrs = ["203.0.113.0/24"]
  redshift_cluster     = {{ identifier = "analytics" }}
}}

output "all" {{
  value = module.clickstream
}}
"""
OVERRIDES = """
resource "aws_iam_openid_connect_provider" "cluster" {
  url = "https://oidc.example/id/EMULATED"
}

data "aws_eks_addon_version" "this" {
  for_each = toset([])
}

resource "aws_eks_addon" "of_nodes" {
  addon_version = null
}

resource "aws_eks_addon" "of_pods" {
  addon_version = null
}
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Start an emulator of all of AWS that the module asks, and stop it."""
    if importlib.util.find_spec("ministack") is None:
        pytest.skip("ministack, the emulator of AWS, isn't installed: install the dev dependencies")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="aws-") as folder:
        server = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            cwd=folder,
            env={"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": folder, "PATH": ""},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        endpoint = f"http://127.0.0.1:{port}"
        try:
            _wait_for(endpoint)
            yield endpoint
        finally:
            stop_server(server)


@pytest.fixture(scope="module")
def outputs(aws: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Apply the module and return its outputs."""
    module = initialized(tmp_path_factory.mktemp("applied"))
    (module / "emulated_override.tf").write_text(OVERRIDES)
    root = module / "examples" / "complete"
    for name in ("variables.tf", "outputs.tf", "main.tf"):
        (root / name).unlink()
    (root / "versions.tf").write_text((module / "versions.tf").read_text())
    endpoints = "\n".join(f'    {name} = "{aws}"' for name in SERVICES)
    (root / "main.tf").write_text(ROOT.format(endpoints=endpoints, bucket=BUCKET))
    answer = terraform("apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=20", folder=root)
    assert answer.returncode == 0, answer.stdout[-4_000:] + answer.stderr
    told = terraform("output", "-json", "all", folder=root)
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def client(aws: str, service: str) -> Any:
    session: Any = boto3.session.Session("test", "test", region_name="eu-central-1")
    return session.client(service, endpoint_url=aws)


def test_the_bucket_is_versioned_encrypted_closed_and_has_its_rules(aws: str, outputs: dict[str, Any]) -> None:
    s3 = client(aws, "s3")
    assert outputs["bucket"] == BUCKET
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values())
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    days = {rule["Filter"].get("Prefix"): rule["Expiration"].get("Days") for rule in rules if "Expiration" in rule}
    assert (days["raw/"], days["staged/"], days["batcher/"]) == (60, 7, 60)
    policy = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    assert {each["Sid"] for each in policy["Statement"]} == {"TlsOnly", "NobodyDeletesRecords"}


def test_s3_tells_the_queue_of_new_raw_objects_and_of_nothing_else(aws: str, outputs: dict[str, Any]) -> None:
    s3, sqs = client(aws, "s3"), client(aws, "sqs")
    for key in ("staged/x", "raw/hour=2026-11-22T09/customer=a/event=b/s-1-2.ndjson.gz"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    keys: list[str] = []
    for _ in range(10):
        answer = sqs.receive_message(QueueUrl=outputs["notifications_queue_url"], WaitTimeSeconds=1)
        bodies = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        keys += [record["s3"]["object"]["key"] for body in bodies for record in body.get("Records", [])]
        if keys:
            break
    assert [key.partition("/")[0] for key in keys] == ["raw"]


def test_roles_have_their_policies_and_trust_one_service_account_each(aws: str, outputs: dict[str, Any]) -> None:
    iam = client(aws, "iam")
    for role, arn in outputs["role_arns"].items():
        name = arn.rpartition("/")[2]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        trust = json.loads(trust) if isinstance(trust, str) else trust
        (subject,) = [v for k, v in trust["Statement"][0]["Condition"]["StringEquals"].items() if k.endswith(":sub")]
        assert subject == f"system:serviceaccount:clickstream:clickstream-{role.replace('_', '-')}"
        assert role in iam.list_role_policies(RoleName=name)["PolicyNames"]
    assert "s3:Delete" not in json.dumps(outputs["policies"])


def test_the_other_parts_are_there(aws: str, outputs: dict[str, Any]) -> None:
    stream = client(aws, "kinesis").describe_stream_summary(StreamName=outputs["kinesis_stream"])
    assert stream["StreamDescriptionSummary"]["RetentionPeriodHours"] == 168
    groups = client(aws, "eks").list_nodegroups(clusterName=outputs["cluster_name"])["nodegroups"]
    assert sorted(groups) == ["runs", "services-0", "services-1", "services-2"]
    (database,) = client(aws, "rds").describe_db_instances()["DBInstances"]
    assert (database["Engine"], database["PubliclyAccessible"]) == ("postgres", False)
    secrets = {each["Name"] for each in client(aws, "secretsmanager").list_secrets()["SecretList"]}
    assert outputs["secret_names"].keys() <= secrets
    values = yaml.safe_load(outputs["helm_values"])
    assert values["settings"]["CLICKSTREAM_OBJECT_STORE_URL"] == f"s3://{BUCKET}"
    account = values["serviceAccounts"]["batcher"]
    assert account["annotations"]["eks.amazonaws.com/role-arn"] == outputs["role_arns"]["batcher"]


def _wait_for(endpoint: str) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(endpoint, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise AssertionError("ministack does not answer")
