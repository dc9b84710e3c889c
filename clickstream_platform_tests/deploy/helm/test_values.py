"""Every value is documented in docs/helm.md and in the schema, in both directions."""

from __future__ import annotations

import json
from typing import Any

import yaml

from clickstream_platform_tests.deploy.helm.charts import CHART
from clickstream_platform_tests.deploy.helm.values_doc import BEGIN, END, PAGE, SCHEMA, documented, table, undocumented

AGAIN = "run python -m clickstream_platform_tests.deploy.helm.values_doc"
# What the dagster chart needs of us and nobody sets otherwise; its reasons are in values.yaml.
PLUMBING = ("dagster.",)


def defaults() -> dict[str, Any]:
    return dict(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))


def test_the_page_has_exactly_the_values() -> None:
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
    assert written == table(), AGAIN


def test_every_value_says_what_it_is() -> None:
    assert [path for path in undocumented() if not path.startswith(PLUMBING)] == []
    assert all(value.meaning[0].isupper() and value.meaning.endswith(".") for value in documented())


def test_values_and_schema_have_the_same_names() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert differences(schema, schema, defaults(), "") == []


def differences(root: dict[str, Any], schema: dict[str, Any], tree: Any, path: str) -> list[str]:
    """Return the names that only the schema or only the defaults have, where the schema lists all names."""
    if "$ref" in schema:
        return differences(root, root["definitions"][schema["$ref"].rpartition("/")[2]], tree, path)
    if schema.get("additionalProperties") is not False or not isinstance(tree, dict):
        return []
    names = set(schema["properties"])
    optional = {"version", "property"}
    found = [f"{path}.{name}" for name in (names ^ set(tree)) - optional]
    for name in names & set(tree):
        found += differences(root, schema["properties"][name], tree[name], f"{path}.{name}")
    return found
