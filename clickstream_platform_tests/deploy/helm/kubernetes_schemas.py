"""The OpenAPI schemas of Kubernetes, as JSON Schema: PyPI's kubernetes-validate ships them.

Belongs here: having them, judging an object by them. Does not: objects. The package is not in the lock file, for it has
60 MB; it is installed on first use into a folder of the user's cache, from which only the definitions are kept.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

PACKAGES = {"1.20": "1.20.0", "1.29": "1.29.1"}
"""The version of kubernetes-validate by that of Kubernetes."""
INSTALL_SECONDS = 180


def faults(manifest: dict[str, Any], kubernetes: str) -> list[str]:
    """Return what Kubernetes of a version (`1.29.0`) would not take in an object, unknown fields included."""
    definitions = schemas(".".join(kubernetes.split(".")[:2]))
    group, _, version = manifest["apiVersion"].rpartition("/")
    name = f"io.k8s.api.{group.split('.')[0] or 'core'}.{version}.{manifest['kind']}"
    if name not in definitions:
        return [f"{manifest['apiVersion']} {manifest['kind']}: Kubernetes {kubernetes} has no such object"]
    schema = {"$ref": f"#/definitions/{name}", "definitions": definitions}
    label = f"{manifest['kind']}/{manifest['metadata']['name']}"
    found = jsonschema.Draft7Validator(schema).iter_errors(manifest)
    return [f"{label}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


@cache
def schemas(version: str) -> dict[str, Any]:
    """Return the definitions of a version such as 1.29 by their names; skip the test where they can't be had."""
    package = PACKAGES[version]
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    kept = Path(root) / "clickstream-tests" / f"kubernetes-schemas-{package}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix="installing-") as work:
            found = _installed(package, Path(work)) / f"v{version}.0-local-strict" / "_definitions.json"
            whole = Path(work) / "whole.json"
            shutil.copyfile(found, whole)
            whole.rename(kept)  # at once: test processes may do so at the same time
    text = (
        kept.read_text(encoding="utf-8").replace("/api/_definitions.json#", "#").replace("#/$defs/", "#/definitions/")
    )
    document = json.loads(text)
    return dict(document.get("definitions") or document["$defs"])


def _installed(package: str, folder: Path) -> Path:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not here: it installs Kubernetes' schemas")
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(folder), f"kubernetes-validate=={package}"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"kubernetes-validate {package} was not installed in {INSTALL_SECONDS} s")
    if done.returncode:
        pytest.skip(f"kubernetes-validate {package} can't be installed: {done.stderr[-300:]}")
    return folder / "kubernetes_validate" / "kubernetes-json-schema"
