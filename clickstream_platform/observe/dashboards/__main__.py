"""Writes the dashboards' JSON into a folder.

Belongs here: writing. Does not: what is written (`rendering`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from clickstream_platform.observe.dashboards.pages import PAGES
from clickstream_platform.observe.dashboards.rendering import render

if __name__ == "__main__":
    for name, page in PAGES.items():
        (Path(sys.argv[1]) / name).write_text(render(page), encoding="utf-8")
