"""The table of docs/helm.md and the settings' names in values.schema.json, made from values.yaml and `settings.py`.

Belongs here: reading what values.yaml says of each value, and writing it elsewhere. Does not: judging it.
`python -m clickstream_platform_tests.deploy.helm.values_doc` writes both files anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from clickstream_platform.settings import PREFIX, Settings
from clickstream_platform_tests.deploy.helm.charts import CHART
from clickstream_platform_tests.shared_data import REPOSITORY

PAGE, SCHEMA = REPOSITORY / "docs" / "helm.md", CHART / "values.schema.json"
BEGIN, END = "<!-- values: made by values_doc.py -->", "<!-- end of values -->"
SAID = re.compile(r" *# -- (.+)")
KEY = re.compile(r"( *)([\w-]+):")
MAX_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value: its path with dots, its default, what values.yaml says of it."""

    path: str
    default: Any
    meaning: str

    def row(self) -> str:
        """Return its row in docs/helm.md."""
        text = json.dumps(self.default, ensure_ascii=False)
        shown = f"`{text}`" if self.default not in ("", None, {}, []) else "—"
        if len(text) > MAX_CHARACTERS:
            shown = "see values.yaml"
        return f"| `{self.path}` | {shown} | {self.meaning.replace('|', '&#124;')} |"


def documented() -> list[Value]:
    """Return the values with a `# --` comment, in the order of values.yaml."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    tree, found = yaml.safe_load(text), []
    path: list[tuple[int, str]] = []
    said = ""
    for line in text.splitlines():
        if match := SAID.fullmatch(line):
            said = match[1]
        elif match := KEY.match(line):
            indent = len(match[1])
            path = [*(each for each in path if each[0] < indent), (indent, match[2])]
            if said:
                names = [name for _, name in path]
                found.append(Value(".".join(names), _at(tree, names), said))
            said = ""
    return found


def undocumented() -> list[str]:
    """Return the paths of defaults that neither they nor what holds them are documented."""
    known = {value.path for value in documented()}
    tree = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return [path for path in _leaves(tree, "") if not any(_holds(each, path) for each in known)]


def setting_names() -> list[str]:
    """Return the variables of all settings."""
    return sorted(PREFIX + name.upper() for name in Settings.model_fields)


def table() -> str:
    """Return the table of docs/helm.md."""
    return "\n".join(["| Value | Default | Meaning |", "|---|---|---|", *(value.row() for value in documented())])


def main() -> None:
    """Write the table and the names."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["properties"]["settings"]["propertyNames"]["enum"] = setting_names()
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _at(tree: Any, names: list[str]) -> Any:
    for name in names:
        tree = tree[name]
    return tree


def _leaves(tree: Any, path: str) -> Iterator[str]:
    if isinstance(tree, dict) and tree:
        for name, value in tree.items():
            yield from _leaves(value, f"{path}.{name}".lstrip("."))
    else:
        yield path


def _holds(holder: str, path: str) -> bool:
    return path == holder or path.startswith(f"{holder}.")


if __name__ == "__main__":
    main()
