"""Packs a root file system as an image of one layer, in the form of `docker save`; archive.sh says what for.

Usage: archive.py ROOT NAME:TAG OUTPUT. Belongs here: the archive, and the same settings as in the Dockerfile. Does not:
what is in the file system.
"""

import hashlib
import io
import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path

SETTINGS = {
    "User": "10001:10001",
    "WorkingDir": "/srv/clickstream",
    "Cmd": ["clickstream", "--help"],
    "Env": [
        "PATH=/srv/clickstream/.venv/bin:/usr/local/bin:/usr/bin:/bin",
        "DAGSTER_HOME=/srv/dagster",
        "DAGSTER_DISABLE_TELEMETRY=yes",
        "CLICKSTREAM_HOME=/var/lib/clickstream",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONUNBUFFERED=1",
        "HOME=/tmp",
    ],
}
# What the container's runtime mounts; folders stay, without what debootstrap left in them.
EMPTY = ("./proc/", "./sys/", "./dev/", "./run/")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def pack(root: Path, name: str, output: Path) -> None:
    """Write the archive; the layer is written beside it first, since its digest comes before it."""
    with tempfile.NamedTemporaryFile(dir=output.parent) as layer:
        with tarfile.open(fileobj=layer, mode="w") as archive:
            archive.add(root, arcname=".", filter=_as_in_an_image)
        layer.seek(0)
        digest = hashlib.file_digest(layer, "sha256").hexdigest()
        config = json.dumps(
            {
                "architecture": ARCHITECTURES.get(os.uname().machine, os.uname().machine),
                "os": "linux",
                "config": SETTINGS,
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            }
        ).encode()
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
        with tarfile.open(output, "w") as archive:
            for member, content in ((config_name, config), ("manifest.json", manifest)):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            archive.add(layer.name, arcname="layer.tar")


def _as_in_an_image(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what is mounted, and the names of owners: numbers say who they are."""
    if info.name.startswith(EMPTY):
        return None
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    pack(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).absolute())
