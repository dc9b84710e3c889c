"""What Terraform tells Helm, against the chart: its schema takes it, accounts and settings are the platform's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from clickstream_platform.defs.pods import node_selector, tolerations
from clickstream_platform.settings import PREFIX, Settings, load_settings
from clickstream_platform_tests.deploy.terraform.module_files import MODULE, local_values, terraform

CHART = MODULE.parent / "helm" / "clickstream-platform"
ACCOUNTS = {role: f"clickstream-{role.replace('_', '-')}" for role in local_values()["roles"]}
GIVEN = {
    "repository": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/clickstream-platform",
    "bucket": "my-bucket",
    "region": "eu-central-1",
    "kinesis_stream": "clickstream-events",
    "shards": "2",
    "retention_days": "60",
    "database_host": "clickstream.example.eu-central-1.rds.amazonaws.com",
    "pool_label": "clickstream.io/pool",
    "pod_max_memory_mb": "13056",
    "pod_max_storage_mb": "65536",
}


def rendered(*, has_external_secrets: bool) -> dict[str, Any]:
    """Fill the template in as Terraform does, for the directives that it has."""
    text = (MODULE / "values.yaml.tftpl").read_text(encoding="utf-8")
    text = re.sub(
        r"%\{ if has_external_secrets ~\}\n(.*?)%\{ endif ~\}\n",
        lambda found: found[1] if has_external_secrets else "",
        text,
        flags=re.S,
    )

    def each_account(found: re.Match[str]) -> str:
        return "".join(
            found[1]
            .replace("${role}", role)
            .replace("${name}", name)
            .replace("${role_arns[role]}", f"arn:aws:iam::123456789012:role/{name}")
            for role, name in ACCOUNTS.items()
        )

    text = re.sub(r"%\{ for role, name in service_accounts ~\}\n(.*?)%\{ endfor ~\}\n", each_account, text, flags=re.S)
    secrets = local_values()["secrets"]

    def secret(found: re.Match[str]) -> str:
        assert found[2] in secrets, found[2]
        arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:" if found[1] == "arns" else ""
        return f"{arn}clickstream/{found[2]}"

    text = re.sub(r'\$\{secret_(arns|names)\["([a-z/-]+)"\]\}', secret, text)
    values: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda found: GIVEN[found[1]], text))
    return values


def merged(below: Any, above: Any) -> Any:
    """Return what Helm makes of two files of values."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}


@pytest.fixture(params=[False, True], ids=["secrets by hand", "external secrets"])
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    return rendered(has_external_secrets=request.param)


def test_the_charts_schema_takes_them(values: dict[str, Any]) -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(merged(defaults, values), schema)


def test_every_value_is_one_of_the_chart(values: dict[str, Any]) -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert values.keys() <= defaults.keys()
    for part in values.keys() - {"settings", "serviceAccounts"}:
        assert values[part].keys() <= defaults[part].keys(), part
    for name, account in defaults["serviceAccounts"].items():
        assert values["serviceAccounts"][name]["name"] == account["name"]


@pytest.mark.parametrize("has_external_secrets", [False, True])
def test_terraform_fills_it_in_as_these_tests_do(has_external_secrets: bool, tmp_path: Path) -> None:
    secrets = local_values()["secrets"]
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"
    given = GIVEN | {
        "service_accounts": ACCOUNTS,
        "role_arns": {role: f"arn:aws:iam::123456789012:role/{name}" for role, name in ACCOUNTS.items()},
        "secret_arns": {key: f"{arn}clickstream/{key}" for key in secrets},
        "secret_names": {key: f"clickstream/{key}" for key in secrets},
        "has_external_secrets": has_external_secrets,
    }
    (tmp_path / "given.json").write_text(json.dumps(given))
    filled = f'templatefile("{MODULE}/values.yaml.tftpl", jsondecode(file("given.json")))'
    (tmp_path / "main.tf").write_text(f'output "values" {{\n  value = yamldecode({filled})\n}}\n')
    answer = terraform("apply", "-auto-approve", "-no-color", folder=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    made = json.loads(terraform("output", "-json", "values", folder=tmp_path).stdout)
    assert made == rendered(has_external_secrets=has_external_secrets)


def test_the_settings_are_settings(values: dict[str, Any]) -> None:
    settings = load_settings({name: str(value) for name, value in values["settings"].items()})
    assert settings.retention_days == Settings().retention_days
    assert {name.removeprefix(PREFIX).lower() for name in values["secrets"]["env"]} <= Settings.model_fields.keys()
    assert node_selector(settings.pod_node_selector) == values["runs"]["nodeSelector"]
    assert tolerations(settings.pod_tolerations) == values["runs"]["tolerations"]


def test_nobody_but_the_registry_has_its_database_and_every_reference_is_one_its_role_may_read() -> None:
    values = rendered(has_external_secrets=False)
    env = values["secrets"]["env"]
    assert env["CLICKSTREAM_REGISTRY_URL"]["roles"] == ["registry"]
    assert env["CLICKSTREAM_BATCHER_LEASES_URL"]["roles"] == ["batcher", "exporter"]
    loader = values["settings"]["CLICKSTREAM_REGISTRY_TOKEN_REFERENCE"]
    (own,) = values["collector"]["extraEnv"]
    assert loader.endswith("clickstream/loader/registry-token")
    assert (own["name"], own["value"].rpartition(":")[2]) == (
        "CLICKSTREAM_REGISTRY_TOKEN_REFERENCE",
        "clickstream/collector/registry-token",
    )
