"""The last good snapshot on disk, one file per component; damage is a warning and never stops anybody.

Belongs here: reading and writing these files. Does not: their form (`kept`), when to use them (`cached`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from clickstream_platform.errors import RegistryError
from clickstream_platform.registry.client.files import write_private
from clickstream_platform.registry.client.kept import HEADER_BYTES, Header, KeptSnapshot, read_header

SUFFIX = ".snapshot.gz"
_logger = logging.getLogger(__name__)


class SnapshotCache:
    """One component's snapshot in a folder that processes of the component share; None keeps nothing."""

    def __init__(self, folder: Path | None, component: str) -> None:
        """Keep `<component>.snapshot.gz` in a folder that exists."""
        self._path = None if folder is None else folder / f"{component}{SUFFIX}"
        if folder is None:
            _logger.warning(
                "No folder can be written for the registry's snapshot: nothing is kept on disk for an outage. "
                "Make CLICKSTREAM_HOME or CLICKSTREAM_WORK_DIR writable."
            )

    def load(self) -> KeptSnapshot | None:
        """Return the kept snapshot; None when there is none that can be read."""
        if self._path is None:
            return None
        try:
            return KeptSnapshot.from_bytes(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, RegistryError) as error:
            _logger.warning("The registry's snapshot in %s is ignored: %s", self._path, error)
            return None

    def save(self, kept: KeptSnapshot) -> None:
        """Keep a snapshot, unless a process confirmed another one later; a disk that refuses is a warning."""
        if self._path is None:
            return
        held = _header(self._path)
        if held is not None and held.confirmed_at > kept.header.confirmed_at and held.tag != kept.header.tag:
            return
        try:
            write_private(self._path, kept.to_bytes())
        except OSError as error:
            _logger.warning("The registry's snapshot can't be kept in %s: %s", self._path, error)


def list_headers(folder: Path) -> Iterator[tuple[str, Header]]:
    """Yield each component that keeps a snapshot in a folder, with the header; unreadable files are left out."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        header = _header(path)
        if header is not None:
            yield path.name.removesuffix(SUFFIX), header


def _header(path: Path) -> Header | None:
    try:
        with path.open("rb") as file:
            return read_header(file.read(HEADER_BYTES))
    except (OSError, RegistryError):
        return None
