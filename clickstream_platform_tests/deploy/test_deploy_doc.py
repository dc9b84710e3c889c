"""docs/deploy.md says what is there: its commands parse, its names exist, its claims about migrations hold."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clickstream_platform.registry.migrating import HEAD, current_revision, migrate
from clickstream_platform.registry.store import Store
from clickstream_platform.settings import PREFIX, Settings
from clickstream_platform_tests.command_lines import parse
from clickstream_platform_tests.deploy.terraform.module_files import MODULE, blocks, local_values

ROOT = MODULE.parents[1]
DOC = ROOT / "docs" / "deploy.md"
MIGRATIONS = ROOT / "clickstream_platform" / "registry" / "migrations" / "versions"
TEXT = DOC.read_text(encoding="utf-8")
ADDING = {"add_column", "bulk_insert", "create_table", "create_index"}
REGISTRY_HELPER = "registry() {"


def shell_blocks() -> list[str]:
    """Return the shell code of the document, indented blocks among it, with continued lines put together."""
    found = re.findall(r"(?m)^( *)```sh\n(.*?)^\1```$", TEXT, re.S)
    return [re.sub(r"\\\n\s*", " ", re.sub(rf"(?m)^{indent}", "", code)) for indent, code in found]


def clickstream_commands() -> Iterator[str]:
    """Yield every `clickstream …` of the shell code, of the texts, and what the helper `registry` runs."""
    for block in shell_blocks():
        code = re.sub(r"<<-?'?EOF'?\n.*?^EOF$", "", block, flags=re.M | re.S)
        for line in code.splitlines():
            bare = re.sub(r"(^|\s)#.*", "", line)
            if not bare.startswith(REGISTRY_HELPER):
                yield from (
                    found[0] for found in re.finditer(r"(?:^|(?<=-- )|(?<=\| ))clickstream [a-z].*?(?= \||$)", bare)
                )
            for found in re.finditer(r"(?:^|(?<=\| ))registry ([a-z].*?)(?= [|>]|$)", bare):
                yield f"clickstream registry {found[1]}"
    yield from re.findall(r"`(clickstream [a-z][^`]*)`", TEXT)
    yield from (f"clickstream {found}" for found in re.findall(r"`(registry [a-z][^`<]*?)(?: <[^`]*)?`", TEXT))


def understood(command: str) -> str:
    """Return the command that a line would run, such as `registry tokens add`; raise ValueError where there is none.

    A command of the texts may be shortened: what ends with … or stands in the text is not asked for what it lacks.
    """
    words = shlex.split(command.replace("$(out destination_settings)", "").replace("…", ""))[1:]
    return " ".join(parse(words, is_shortened="…" in command or f"`{command}`" in TEXT).names)


def test_the_document_has_the_commands_that_a_deployment_needs() -> None:
    commands = " ".join(clickstream_commands())
    for name in ("doctor", "hours", "loads", "query", "shards", "replay", "registry tokens add", "registry export"):
        assert f"clickstream {name}" in commands, name


@pytest.mark.parametrize("command", sorted(set(clickstream_commands())))
def test_every_command_parses(command: str) -> None:
    names, words = understood(command).split(), iter(command.split())
    assert names
    assert all(name in words for name in names), "its names stand in this order, with options of groups between them"


@pytest.mark.parametrize(
    "command",
    ["clickstream nothing", "clickstream replay --from-row 2026-11-22T09", "clickstream registry tokens add me"],
)
def test_a_command_that_is_not_there_does_not_parse(command: str) -> None:
    with pytest.raises(ValueError, match=command.split()[1]):
        understood(command)


def test_outputs_settings_and_secrets_that_are_named_exist() -> None:
    assert set(re.findall(r"\$\(out (\w+)", TEXT)) <= blocks("output").keys()
    assert set(re.findall(r"\['(\w+_arns)'\]", TEXT)) <= blocks("output").keys()
    named = {name.removeprefix(PREFIX).lower() for name in re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", TEXT)}
    assert named <= Settings.model_fields.keys()
    secrets = {found for found in re.findall(r"\bclickstream/([a-z]+/[a-z-]+)\b", TEXT) if "/" in found}
    secrets -= {name for name in secrets if name.startswith(("registry/", "terraform/"))}
    assert secrets <= local_values()["secrets"].keys()
    users = set(re.findall(r'CREATE USER "IAMR:clickstream-([a-z-]+)"', TEXT))
    logging_in = {role for role, other in local_values()["roles"].items() if "warehouse_policy" in str(other)}
    assert users == {role.replace("_", "-") for role in logging_in}


def test_variables_of_the_module_that_are_named_exist() -> None:
    variables = blocks("variable")
    for name in (
        "external_secrets",
        "housekeeping_deletes",
        "replica_bucket_arn",
        "deleting_principals",
        "retention_days",
    ):
        assert name in variables
        assert f"`{name}`" in TEXT
    for name, field in re.findall(r"`(database|kinesis|redshift_serverless)\.(\w+)", TEXT):
        assert re.search(rf"\b{field}\b", str(variables[name]["type"])), f"{name}.{field}"


def test_the_pod_for_commands_is_restricted() -> None:
    (block,) = [code for code in shell_blocks() if "kind: Pod" in code]
    (document,) = re.findall(r"<<EOF\n(.*?)^EOF$", block, re.M | re.S)
    pod = yaml.safe_load(re.sub(r"\$\([^)]*\)|\$\w+", "x", document))
    (container,) = pod["spec"]["containers"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["resources"].keys() == {"requests", "limits"}
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["spec"]["volumes"]}


def test_shell_code_is_shell_code() -> None:
    for block in shell_blocks():
        checked = subprocess.run(["bash", "-n"], check=False, input=block, capture_output=True, text=True)
        assert checked.returncode == 0, f"{checked.stderr}\n{block}"


@pytest.mark.parametrize("path", sorted(MIGRATIONS.glob("v*.py")), ids=lambda path: path.stem)
def test_migrations_only_add_so_that_older_pods_go_on(path: Path) -> None:
    functions = {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
    calls = [
        node
        for name, function in functions.items()
        if name != "downgrade"
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("op.")
    ]
    assert {ast.unparse(node.func).removeprefix("op.") for node in calls} <= ADDING
    for node in calls:
        added = ast.unparse(node)
        is_required = "op.add_column" in added and "nullable=False" in added
        assert not is_required or "server_default" in added, f"older pods write rows without it: {added}"


def test_the_way_back_of_the_registrys_database_works(tmp_path: Path) -> None:
    (block,) = [code for code in shell_blocks() if "registry.migrating" in code]
    found = re.search(r"python -c '(.*?)' (\d+)", block, re.S)
    assert found
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    store = Store(url)
    migrate(store)
    ran = subprocess.run(
        [sys.executable, "-c", found[1], found[2]],
        check=False,
        env={f"{PREFIX}REGISTRY_URL": url},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    with store.reading() as transaction:
        assert current_revision(transaction.connection) == found[2] != HEAD
    store.close()


def test_json_of_outputs_is_read_as_terraform_writes_it(tmp_path: Path) -> None:
    """`terraform output -json clickstream` is the value itself, which the helper `out` reads by name."""
    block = next(code for code in shell_blocks() if "out() {" in code)
    (helper,) = re.findall(r"(?m)^out\(\) \{.*\}$", block)
    (tmp_path / "aws.json").write_text(json.dumps({"region": "eu-central-1", "cluster_name": "clickstream"}))
    ran = subprocess.run(
        ["bash", "-c", f"{helper}\nout region"], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.stdout == "eu-central-1\n"
