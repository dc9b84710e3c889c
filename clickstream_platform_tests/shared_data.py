"""The recorded and awkward data that lies outside the repository: where it is, and what a test does without it.

Belongs here: finding and reading files of the shared data folder. Does not: what any of them means.

The folder is `../shared/data` beside the repository, or what CLICKSTREAM_SHARED_DATA names. It may not be copied into
the repository (some of it is under the Elastic License), so every test that reads it carries `needs_shared_data`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

SHARED_DATA_VARIABLE = "CLICKSTREAM_SHARED_DATA"
REPOSITORY = Path(__file__).resolve().parent.parent


def shared_data(*parts: str) -> Path:
    """Return the path of a file or folder of the shared data, whether it exists or not."""
    root = os.environ.get(SHARED_DATA_VARIABLE)
    return (Path(root) if root else REPOSITORY.parent / "shared" / "data").joinpath(*parts)


def needs_shared_data(*parts: str) -> pytest.MarkDecorator:
    """Skip a test (as a decorator) or a module (as `pytestmark`) where this part of the shared data is absent."""
    path = shared_data(*parts)
    reason = f"no shared data at {path}; set {SHARED_DATA_VARIABLE} to the folder that holds 2-segment-fixtures"
    return pytest.mark.skipif(not path.exists(), reason=reason)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    r"""Return the objects of a JSON Lines file, split at `\n` only: names in it hold every other line separator."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]
