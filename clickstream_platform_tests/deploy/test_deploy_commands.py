"""What docs/deploy.md has its readers type, run or checked where nothing of AWS is at hand.

Belongs here: the commands of aws and helm, helpers of the shell, what goes into pods. Does not: `clickstream …`
(`test_deploy_doc`).
"""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore import xform_name

from clickstream_platform_tests.deploy.helm.charts import CHART, chart_folder, named, of_kind, run_helm
from clickstream_platform_tests.deploy.terraform.test_helm_values import rendered
from clickstream_platform_tests.deploy.test_deploy_doc import TEXT, shell_blocks

GLOBAL_OPTIONS = {"region", "query", "output", "profile"}
OWN_COMMANDS = {
    ("s3", "ls"): {"recursive"},
    ("s3", "cp"): {"sse"},
    ("s3", "sync"): set[str](),
    ("eks", "update-kubeconfig"): {"name"},
    ("ecr", "get-login-password"): set[str](),
}
"""Commands of the AWS CLI that are no operations of AWS, with the options that the document uses."""
ALWAYS_ON = ("collector", "batcher", "registry", "exporter", "codeServer")


def block_with(words: str) -> str:
    (found,) = [code for code in shell_blocks() if words in code]
    return found


def aws_commands() -> set[tuple[str, str, str]]:
    """Return service, operation and the rest of each `aws …` of the document, texts in quotes left out."""
    inline = re.findall(r"`(aws [^`]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.S))
    code = re.sub(r"\"[^\"]*\"|'[^']*'", "X", "\n".join(shell_blocks()))
    lines = [*code.splitlines(), *(re.sub(r"\s+", " ", each) for each in inline)]
    pattern = r"\baws ([a-z][a-z0-9-]*) ([a-z][a-z-]+)([^|;)#]*)"
    return {found for line in lines for found in re.findall(pattern, line) if "docker login" not in line}


@cache
def operations(service: str) -> dict[str, set[str]]:
    """Return a service's commands with their options, as the AWS CLI derives both from the service's model."""
    model = botocore.session.get_session().get_service_model("s3" if service == "s3api" else service)
    found = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        members = shape.members if shape else {}
        options = {xform_name(member, "-") for member in members}
        options |= {f"no-{xform_name(m, '-')}" for m, of in members.items() if of.type_name == "boolean"}
        found[xform_name(name, "-")] = options
    return found


@pytest.mark.parametrize(("service", "operation", "rest"), sorted(aws_commands()))
def test_aws_has_the_command_and_its_options(service: str, operation: str, rest: str) -> None:
    options = set(re.findall(r"(?<=--)[a-z][a-z0-9-]*", rest)) - GLOBAL_OPTIONS
    if service == "rds" and operation == "wait":
        waiter = rest.split()[0].replace("-", "_")
        model = botocore.session.get_session().get_waiter_model("rds")
        assert waiter in {xform_name(name) for name in model.waiter_names}
        operation = "describe-db-instances"
    is_own = (service, operation) in OWN_COMMANDS
    assert options <= (OWN_COMMANDS[service, operation] if is_own else operations(service)[operation])


def test_the_commands_of_aws_are_found() -> None:
    found = {(service, operation) for service, operation, _ in aws_commands()}
    assert {("rds", "restore-db-instance-to-point-in-time"), ("redshift-data", "batch-execute-statement")} <= found
    assert len(found) > 12


def test_a_restored_database_is_not_public_and_in_the_platforms_network() -> None:
    restores = [rest for _, operation, rest in aws_commands() if operation.startswith("restore-db-instance")]
    assert len(restores) == 2
    for rest in restores:
        assert "--no-publicly-accessible" in rest
        assert "--db-subnet-group-name" in rest


def test_helpers_of_a_later_shell_are_those_of_the_first() -> None:
    defined = [re.findall(r"(?m)^(\w+)\(\) (\{.*\})$", code) for code in shell_blocks()]
    bodies: dict[str, set[str]] = {}
    for name, body in (each for found in defined for each in found):
        bodies.setdefault(name, set()).add(body)
    assert bodies.keys() == {"out", "registry", "keep", "secret"}
    assert {name: len(each) for name, each in bodies.items()} == dict.fromkeys(bodies, 1)
    again = block_with("-chdir")
    assert all(f"\n{name}() {{" in again for name in ("out", "registry", "keep"))
    assert "VERSION=" in again


def test_no_password_is_in_a_pods_form() -> None:
    for code in shell_blocks():
        for command in re.findall(r"kubectl.* run .*", code):
            assert not re.search(r"--env=\w*PASSWORD|\$(master|dagster|registry)\b", command), command


def test_psql_gets_its_password_by_the_first_line(tmp_path: Path) -> None:
    """What `sh` in the pod does, with a psql that says what reached it."""
    found = re.search(r"sh -c '(read [^']*)'", block_with("run psql"))
    assert found
    fake = tmp_path / "psql"
    fake.write_text('#!/bin/sh\necho "$PGPASSWORD $*"\ncat\n')
    fake.chmod(0o755)
    ran = subprocess.run(
        ["sh", "-c", found[1], "db.example"],
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        input="pass\\word\nCREATE USER a;\nCREATE USER b;\n",
        capture_output=True,
        text=True,
    )
    assert ran.stdout.splitlines() == [
        "pass\\word -h db.example -U postgres -v ON_ERROR_STOP=1",
        "CREATE USER a;",
        "CREATE USER b;",
    ]


def test_redshifts_users_and_rights_are_one_batch_in_their_order() -> None:
    """Statements that are sent one by one run at the same time, a GRANT before its user is there."""
    block = block_with("redshift.sql")
    (sql,) = re.findall(r"<<'EOF'\n(.*?)^EOF$", block, re.M | re.S)
    (script,) = re.findall(r"python3 -c '([^']*)' < redshift.sql", block)
    ran = subprocess.run(["python3", "-c", script], check=True, input=sql, capture_output=True, text=True)
    statements = json.loads(ran.stdout)
    assert statements == sql.splitlines()
    assert len(statements) <= 40, "the Data API takes no more at once"
    assert "redshift-data execute-statement" not in TEXT
    made = set[str]()
    for statement in statements:
        created = re.match(r'CREATE (?:USER|ROLE) ("[^"]+"|\w+)', statement)
        made |= {created[1]} if created else set()
        named = set(re.findall(r'"IAMR:[^"]+"|\bclickstream_reader\b', statement))
        assert named <= made, statement


def test_terraforms_values_and_the_least_of_ones_own_make_a_release(tmp_path: Path) -> None:
    (least,) = re.findall(r"```yaml\n(image:.*?)```", TEXT, re.S)
    own = tmp_path / "values.yaml"
    own.write_text(least)
    for has_external_secrets in (False, True):
        made = tmp_path / "values-aws.yaml"
        made.write_text(yaml.safe_dump(rendered(has_external_secrets=has_external_secrets)))
        flags = [
            flag
            for flag in re.findall(r"--[a-z-]+", block_with("helm template"))
            if flag in {"--is-upgrade", "--no-hooks"}
        ]
        done = run_helm(
            *("template", "platform", str(chart_folder()), "--namespace", "clickstream", *flags),
            *("--values", str(made), "--values", str(own)),
        )
        assert done.returncode == 0, done.stderr
        manifests = [each for each in yaml.safe_load_all(done.stdout) if each]
        assert flags == ["--is-upgrade", "--no-hooks"]
        assert not [each for each in manifests if "helm.sh/hook" in (each["metadata"].get("annotations") or {})]
        stores = [each["spec"]["secretStoreRef"]["name"] for each in of_kind(manifests, "ExternalSecret")]
        assert set(stores) == ({"aws-secrets-manager"} if has_external_secrets else set())
        (instance,) = [each for each in of_kind(manifests, "ConfigMap") if "dagster.yaml" in each["data"]]
        monitoring = yaml.safe_load(instance["data"]["dagster.yaml"])["run_monitoring"]
        assert monitoring["start_timeout_seconds"] == 1800, "a node has to be started first"
        served = named(manifests, "Deployment", "batcher")["spec"]["template"]["metadata"]["annotations"]
        assert served["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "true"
        accounts = of_kind(manifests, "ServiceAccount")
        assert "clickstream-operator" in {each["metadata"]["name"] for each in accounts}


def test_volumes_that_can_be_switched_on_name_the_storage_class_of_the_document(tmp_path: Path) -> None:
    """EKS has no default one."""
    made = tmp_path / "values-aws.yaml"
    made.write_text(yaml.safe_dump(rendered(has_external_secrets=False)))
    on = [f"{part}.persistence.enabled=true" for part in ("exporter", "codeServer")]
    on += ["image.tag=0.1.0"]
    done = run_helm(
        *("template", "platform", str(chart_folder()), "--values", str(made)),
        *(part for each in on for part in ("--set", each)),
    )
    assert done.returncode == 0, done.stderr
    manifests = [each for each in yaml.safe_load_all(done.stdout) if each]
    claims = [each["spec"] for each in of_kind(manifests, "PersistentVolumeClaim")]
    claims += [
        claim["spec"] for each in of_kind(manifests, "StatefulSet") for claim in each["spec"]["volumeClaimTemplates"]
    ]
    assert len(claims) == 3
    (storage_class,) = re.findall(r"kind: StorageClass\nmetadata: \{name: (\w+)\}", TEXT)
    assert {each.get("storageClassName") for each in claims} == {storage_class}


def test_what_is_always_on_asks_for_what_the_table_says() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    parts = [values[name]["resources"] for name in (*ALWAYS_ON, "collector")]
    parts += [values["dagster"][name]["resources"] for name in ("dagsterWebserver", "dagsterDaemon")]
    cores = sum(int(each["requests"]["cpu"].removesuffix("m")) for each in parts) / 1_000
    memory = sum(int(each["requests"]["memory"].removesuffix("Mi")) for each in parts) / 1_024
    assert f"ask for {cores:g} cores" in TEXT.replace("\n", " ")
    (told,) = re.findall(r"together, with two collectors\*\* \|.*?\| ([\d.]+) Gi \|", TEXT)
    assert float(told) == pytest.approx(memory, abs=0.1)
