"""The Terraform module as files: parsed HCL, policies with sample values filled in, Terraform itself where it is there.

Belongs here: reading. Does not: what is expected of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import hcl2
import pytest

MODULE = Path(__file__).resolve().parents[3] / "deploy" / "terraform"
POLICIES = MODULE / "policies"
BUCKET_ARN = "arn:aws:s3:::objects"
KINESIS_ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/clickstream-events"
SAMPLE = {
    "account": "123456789012",
    "partition": "aws",
    "region": "eu-central-1",
    "name": "clickstream",
    "bucket_arn": BUCKET_ARN,
    "kinesis_arn": KINESIS_ARN,
    "kinesis_name": "events",
    "shard_prefix": "events.",
    "database": "events",
    "cluster": "analytics",
    "workgroup_arn": "arn:aws:redshift-serverless:eu-central-1:123456789012:workgroup/id",
    "kms_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/id",
    "domain_arn": "arn:aws:es:eu-central-1:123456789012:domain/logs",
    "provider_arn": "arn:aws:iam::123456789012:oidc-provider/oidc.example/id/X",
    "oidc_host": "oidc.example/id/X",
    "subject": "clickstream:clickstream-runs",
    "queue_arn": "arn:aws:sqs:eu-central-1:123456789012:objects",
    "replica_arn": "arn:aws:s3:::copy",
    "deleting_principals": '["nobody"]',
}
_PROVIDER = "registry.terraform.io/hashicorp/aws"
_PLACES = ("~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")


def sources(folder: Path = MODULE) -> list[Path]:
    """Return the module's own files, or an example's."""
    return sorted(folder.glob("*.tf"))


@cache
def parsed(path: Path) -> dict[str, Any]:
    """Return a file's blocks, names and texts without quotes."""
    plain: dict[str, Any] = _plain(hcl2.loads(path.read_text(encoding="utf-8")))
    return plain


def blocks(kind: str, folder: Path = MODULE) -> dict[str, dict[str, Any]]:
    """Return all blocks of a kind by their labels, which are divided by dots."""
    found: dict[str, dict[str, Any]] = {}
    for path in sources(folder):
        for block in parsed(path).get(kind, []):
            for first, rest in block.items():
                named = {first: rest} if kind in ("variable", "output", "module", "provider") else _second(first, rest)
                assert not named.keys() & found.keys(), f"{path.name}: {sorted(named)} twice"
                found |= named
    return found


def local_values(folder: Path = MODULE) -> dict[str, Any]:
    """Return all local values."""
    found = chain.from_iterable(parsed(path).get("locals", []) for path in sources(folder))
    return {name: value for block in found for name, value in block.items()}


def text_without_comments(path: Path) -> str:
    """Return a file's text; `#` within quotes does not occur but in comments, which a test of the files holds."""
    return re.sub(r"(?m)(^|\s)#.*$", "", path.read_text(encoding="utf-8"))


def rendered(name: str) -> list[dict[str, Any]]:
    """Return a policy's statements with the sample values filled in."""
    text = (POLICIES / f"{name}.json.tftpl").read_text(encoding="utf-8")
    filled = re.sub(r"\$\{(\w+)\}", lambda found: SAMPLE[found[1]], text)
    statements: list[dict[str, Any]] = json.loads(filled)["Statement"]
    return statements


def placeholders(name: str) -> set[str]:
    """Return the names that a policy leaves open."""
    return set(re.findall(r"\$\{(\w+)\}", (POLICIES / f"{name}.json.tftpl").read_text(encoding="utf-8")))


def policy_names() -> list[str]:
    """Return the names of all policies."""
    return sorted(path.name.removesuffix(".json.tftpl") for path in POLICIES.iterdir())


def as_list(value: str | list[str]) -> list[str]:
    """Return what a statement says as a list; one of something may stand alone."""
    return [value] if isinstance(value, str) else value


def role_policies(role: str) -> list[str]:
    """Return the policies of a service's role as the module is by default: no KMS key, no log index, no deleting."""
    other = str(local_values()["roles"][role])
    return [role, "warehouse_serverless"] if "local.warehouse_policy" in other else [role]


def terraform(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Terraform there; the test is skipped where there is none."""
    command = shutil.which("terraform")
    if command is None:
        pytest.skip("Terraform is not installed")
    return subprocess.run(
        [command, *arguments],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"},
    )


def initialized(folder: Path) -> Path:
    """Copy the module and its examples there and initialise them; skipped where the AWS provider is not installed."""
    if shutil.which("terraform") is None:
        pytest.skip("Terraform is not installed")
    providers = _providers()
    if providers is None:
        pytest.skip(
            "Terraform's AWS provider is not installed: put it below ~/.terraform.d/plugins, "
            "or name the folder in CLICKSTREAM_TEST_TERRAFORM_PLUGINS"
        )
    copy = folder / "terraform"
    shutil.copytree(MODULE, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    for each in (copy, copy / "examples" / "complete"):
        answer = terraform("init", "-backend=false", "-input=false", f"-plugin-dir={providers}", folder=each)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    return copy


def _providers() -> Path | None:
    """Return the folder that has the AWS provider: a given one, a usual one, or one of the system's optional ones."""
    given = os.environ.get("CLICKSTREAM_TEST_TERRAFORM_PLUGINS")
    places = (
        [Path(given)] if given else [Path(place).expanduser() for place in _PLACES] + sorted(Path("/opt").glob("*"))
    )
    return next((place for place in places if (place / _PROVIDER).is_dir()), None)


def _second(first: str, rest: Any) -> dict[str, dict[str, Any]]:
    return {f"{first}.{name}": body for name, body in rest.items()} if isinstance(rest, dict) else {}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value[1:-1] if isinstance(value, str) and value[:1] == '"' == value[-1:] else value
