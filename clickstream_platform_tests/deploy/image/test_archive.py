"""The archive that stands in for the image on clusters that cannot pull: same settings, a form that is understood."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from clickstream_platform_tests.deploy.image.test_dockerfile import IMAGE, stages

NAME = "docker.io/library/clickstream-platform:test"


@pytest.fixture(scope="module")
def archive() -> ModuleType:
    """Return the script as a module; it belongs to no package."""
    spec = importlib.util.spec_from_file_location("archive", IMAGE / "archive.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_settings_are_those_of_the_dockerfile(archive: ModuleType) -> None:
    last = stages()["image"]
    said = {name: arguments for name, arguments in last if name in ("USER", "WORKDIR", "CMD", "ENV")}
    assert archive.SETTINGS["User"] == said["USER"]
    assert archive.SETTINGS["WorkingDir"] == said["WORKDIR"]
    assert archive.SETTINGS["Cmd"] == json.loads(said["CMD"])
    assert archive.SETTINGS["Env"] == said["ENV"].split()


def test_the_archive_holds_one_layer_under_its_digest(archive: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("srv/clickstream", "proc/1"):
        (root / name).mkdir(parents=True)
    (root / "srv" / "clickstream" / "pyproject.toml").write_text("x")
    archive.pack(root, NAME, tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as made:
        (manifest,) = json.loads(_content(made, "manifest.json"))
        config = json.loads(_content(made, manifest["Config"]))
        layer = _content(made, manifest["Layers"][0])
    assert manifest["RepoTags"] == [NAME]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    (tmp_path / "layer.tar").write_bytes(layer)
    with tarfile.open(tmp_path / "layer.tar") as packed:
        assert set(packed.getnames()) == {
            ".",
            "./proc",
            "./srv",
            "./srv/clickstream",
            "./srv/clickstream/pyproject.toml",
        }


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    with file:
        return file.read()
