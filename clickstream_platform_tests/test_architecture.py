"""Conventions as tests: layers, sizes, who may import and read what, and that the documents say what is there.

Belongs here: what holds for every file of the repository. Does not: behaviour of any part. An exemption is written out
in this module, with its reason.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from clickstream_platform import errors
from clickstream_platform.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, TESTS = "clickstream_platform", "clickstream_platform_tests"
MAX_MODULE_LINES = {PACKAGE: 400, TESTS: 500}
MAX_FUNCTION_LINES = 60

MAY_IMPORT_DAGSTER = (f"{PACKAGE}/defs/", f"{PACKAGE}/definitions.py")
MAY_READ_CLOCK = {f"{PACKAGE}/gateways/clock.py": "the clock"}
MAY_READ_ENVIRONMENT = {
    f"{PACKAGE}/settings.py": "the settings",
    f"{PACKAGE}/health/__main__.py": "a probe must not pay for pydantic",
}

CLOCK_READS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
}
ENVIRONMENT_READS = {("os", "environ"), ("os", "environb"), ("os", "getenv"), ("os", "putenv")}


def tracked_files() -> list[Path]:
    """Return the files of the repository, committed or about to be; without git, all but hidden and built ones."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
        return sorted(ROOT / name for name in names if name and (ROOT / name).is_file())
    built = {".venv", ".clickstream", "__pycache__", "node_modules", "build", "dist"}
    return sorted(p for p in ROOT.rglob("*") if p.is_file() and not built & set(p.relative_to(ROOT).parts))


def relative(path: Path) -> str:
    """Return a path of the repository as it is written in documents."""
    return path.relative_to(ROOT).as_posix()


def modules(package: str) -> Iterator[Path]:
    """Yield all Python files of a package."""
    yield from sorted((ROOT / package).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def attribute_reads(path: Path, wanted: set[tuple[str, str]]) -> Iterator[str]:
    """Yield `file:line name.attribute` for every wanted attribute, reached through a module or imported from it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute):
            base = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if (base, node.attr) in wanted:
                yield f"{relative(path)}:{node.lineno} {base}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                if (node.module, name.name) in wanted:
                    yield f"{relative(path)}:{node.lineno} {node.module}.{name.name}"


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and name of every module that a module imports, anywhere in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""


# Layers and sizes


def test_import_contracts_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    result = subprocess.run(
        [*command, "--no-cache", "--no-logo"], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_dagster_is_imported_only_by_definitions() -> None:
    offenders = [
        f"{relative(path)}:{line} {name}"
        for path in modules(PACKAGE)
        for line, name in imported(path)
        if name.partition(".")[0].startswith("dagster") and not relative(path).startswith(MAY_IMPORT_DAGSTER)
    ]
    assert offenders == []


def test_modules_are_short() -> None:
    lines = {
        relative(path): (path.read_text(encoding="utf-8").count("\n"), limit)
        for package, limit in MAX_MODULE_LINES.items()
        for path in modules(package)
    }
    assert {name: count for name, (count, limit) in lines.items() if count > limit} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{relative(path)} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for package in MAX_MODULE_LINES
        for path in modules(package)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def test_every_module_has_a_charter() -> None:
    bare = [
        relative(path)
        for package in MAX_MODULE_LINES
        for path in modules(package)
        if not ast.get_docstring(parsed(path))
    ]
    assert bare == []


def test_nothing_is_left_to_do() -> None:
    """Comments that put something off are refused by ruff (rules FIX); this finds code that does."""
    marks = re.compile(r"raise NotImplementedError")
    found = [
        f"{relative(path)}:{number} {line.strip()}"
        for package in MAX_MODULE_LINES
        for path in modules(package)
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert found == []


# Clock, environment, errors


@pytest.mark.parametrize(
    ("wanted", "exempt"),
    [(CLOCK_READS, MAY_READ_CLOCK), (ENVIRONMENT_READS, MAY_READ_ENVIRONMENT)],
    ids=["clock", "environment"],
)
def test_the_outside_is_read_in_one_place(wanted: set[tuple[str, str]], exempt: dict[str, str]) -> None:
    found = {relative(path): list(attribute_reads(path, wanted)) for path in modules(PACKAGE)}
    assert [read for name, reads in found.items() if name not in exempt for read in reads] == []
    assert [name for name in exempt if not found[name]] == [], "an exemption that nobody needs"


def error_names() -> set[str]:
    """Return the names of all error classes that carry a remedy, those defined beside errors.py among them."""
    names = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, errors.ClickstreamError)
        and not issubclass(kind, errors.RejectedRecordError)
    }
    classes = [n for path in modules(PACKAGE) for n in ast.walk(parsed(path)) if isinstance(n, ast.ClassDef)]
    found = True
    while found:
        found = False
        for node in classes:
            own_form = any(isinstance(item, ast.FunctionDef) and item.name == "__init__" for item in node.body)
            if node.name not in names and not own_form and {getattr(b, "id", "") for b in node.bases} & names:
                names.add(node.name)
                found = True
    return names


def test_every_error_says_why_and_what_to_do() -> None:
    names, silent = error_names(), []
    for path in modules(PACKAGE):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                given = {keyword.arg for keyword in node.keywords}
                if None not in given and not {"cause", "remedy"} <= given:
                    silent.append(f"{relative(path)}:{node.lineno}")
    assert silent == []


# Documents


def setting_type(name: str) -> str:
    """Return the type of a setting in the words of docs/settings.md."""
    field = Settings.model_fields[name]
    if field.annotation not in (int, float):
        return "folder" if field.annotation is Path else "True or False" if field.annotation is bool else "text"
    kind = "integer" if field.annotation is int else "number"
    bounds = {type(bound).__name__: bound for bound in field.metadata}
    least = bounds["Ge"].ge  # every number has a least value
    return f"{kind}, {least} to {bounds['Le'].le}" if "Le" in bounds else f"{kind}, {least} or more"


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    rows = []
    for name, field in Settings.model_fields.items():
        default = f"`{field.default}`" if str(field.default) else "—"
        meaning = (field.description or "").replace("<", "&lt;")
        rows.append(f"| `{PREFIX}{name.upper()}` | {setting_type(name)} | {default} | {meaning} |")
    assert [row for row in rows if row not in text] == [], "docs/settings.md lacks these rows"
    assert text.count(f"| `{PREFIX}") == len(rows), "docs/settings.md has a row of a setting that is no more"


def test_the_example_environment_is_complete_and_holds_the_defaults() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assigned = dict(line.removeprefix("#").partition("=")[::2] for line in lines if re.match(rf"#{PREFIX}\w+=", line))
    assert assigned == {PREFIX + name.upper(): str(field.default) for name, field in Settings.model_fields.items()}
    assert [line for line in lines if not line.startswith("#") and line.strip()] == [], "everything is commented out"


def headings(path: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    titles = re.findall(r"^#+ +(.+?) *#*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken_links(page: Path) -> Iterator[str]:
    """Yield the links and pictures of a page that lead nowhere inside the repository."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in headings(path)):
            yield f"{relative(page)}: {target}"


def test_every_link_of_the_documents_resolves() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert [link for page in pages for link in broken_links(page)] == []


def test_documents_that_modules_name_exist() -> None:
    missing = {
        f"{relative(path)}: {name}"
        for package in MAX_MODULE_LINES
        for path in modules(package)
        for name in re.findall(r"\bdocs/[\w/.-]+\.md\b", path.read_text(encoding="utf-8"))
        if path != Path(__file__).resolve() and not (ROOT / name).exists()
    }
    assert missing == set()


# The repository as a stranger finds it


def test_no_file_names_a_machine() -> None:
    machine = re.compile(
        r"/(?:root/|home/\w|Users/\w)|[\s\"'(=]/(?:work|opt)/|--(extra-)?index-url|--find-links|files\.pythonhosted"
    )
    text_files = [
        path
        for path in tracked_files()
        if path.suffix not in {".png", ".gz", ".parquet"} and path != Path(__file__).resolve()
    ]
    found = [
        f"{relative(path)}:{number}"
        for path in text_files
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if machine.search(line)
    ]
    assert found == []


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions that a lock file pins by package; fail where one has no hash."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    versions: dict[str, set[str]] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = re.match(r"([a-z0-9._-]+)(?:\[[\w,.-]+\])?==(\S+)", line)
        assert match, f"{name}: {line[:80]!r} pins no version"
        assert "--hash=sha256:" in line, f"{name}: {match[0]} has no hash"
        versions.setdefault(match[1], set()).add(match[2])
    return versions


@pytest.mark.parametrize(("lock", "group"), [("requirements.lock", "dev"), ("requirements-bench.lock", "bench")])
def test_lock_files_fit_the_project(lock: str, group: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    versions = locked(lock)
    wanted = [Requirement(text) for text in (*project["project"]["dependencies"], *project["dependency-groups"][group])]
    unmet = [
        str(each)
        for each in wanted
        if not any(each.specifier.contains(v, prereleases=True) for v in versions.get(canonicalize_name(each.name), ()))
    ]
    assert unmet == [], f"{lock} is older than pyproject.toml: run `make lock`"
