"""Small files that only this user reads: written whole or not at all; and the folder that they are in.

Belongs here: writing them and choosing the folder. Does not: what is in them (`cache`, `outbox`).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from clickstream_platform.settings import Settings

FOLDER = "registry-cache"
TEMPORARY = ".tmp-"
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


def find_folder(settings: Settings) -> Path | None:
    """Return the folder for what is kept of the registry, made if need be; None when nowhere can be written.

    It is `<home>/registry-cache`, or `<CLICKSTREAM_WORK_DIR>/registry-cache` where the home is read-only. Never the
    system's temporary folder, where somebody else could put a snapshot for us to believe.
    """
    parents = [settings.home.absolute(), *([Path(settings.work_dir).absolute()] if settings.work_dir else [])]
    return next((folder for parent in parents if make_folder(folder := parent / FOLDER)), None)


def make_folder(folder: Path) -> bool:
    """Make a private folder unless it is there; False when it can't be made or written to."""
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def write_private(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file of mode 0600 at once, over the one of this name; durable waits for the disk. Raises OSError."""
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
