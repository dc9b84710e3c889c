"""The API tokens of `clickstream dev`: one for the person, one for Dagster, made at the first start and then kept.

Belongs here: files with tokens. Does not: what tokens may do (`registry.access`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clickstream_platform.registry.access import Scope
    from clickstream_platform.registry.service import RegistryService


@dataclass(frozen=True, slots=True)
class TokenFiles:
    """The files that hold one token each, readable by their owner only."""

    admin: Path
    loader: Path


def prepare_tokens(registry_url: str, folder: Path) -> TokenFiles:
    """Make sure that both files below `folder` hold a token that the registry takes, and return them.

    A token that is new takes the place of the one that an earlier start made for the same file. Raises what opening the
    registry's database raises.
    """
    from clickstream_platform.gateways.clock import SystemClock
    from clickstream_platform.registry.opening import open_registry

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = TokenFiles(folder / "admin-token", folder / "loader-token")
    with open_registry(registry_url, SystemClock()) as opened:
        registry = opened.acting_as("cli:dev")
        _prepare(registry, files.admin, "clickstream dev: you", "admin")
        _prepare(registry, files.loader, "clickstream dev: Dagster", "loader")
    return files


def _prepare(registry: RegistryService, file: Path, name: str, scope: Scope) -> None:
    from clickstream_platform.registry.refusals import UnauthenticatedError

    try:
        if registry.authenticate(file.read_text().strip()).scope == scope:
            return
    except (FileNotFoundError, UnauthenticatedError):
        pass  # none yet, or one of another registry
    for token in registry.list_tokens():
        if token.name == name and token.revoked_at is None:
            registry.revoke_token(token.id)
    _, text = registry.add_token(name, scope)
    _write_secret(file, text)


def _write_secret(file: Path, text: str) -> None:
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f"{text}\n")
    new.replace(file)
