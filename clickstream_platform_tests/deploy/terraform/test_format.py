"""Files as `terraform fmt` writes them: by Terraform where it is there, and by rules of it without.

Without Terraform these are held: two spaces for each open bracket, no tab, no blank at a line's end, one line break at
the end, no two blank lines, and equal signs of adjacent single-line arguments one below the other. Not held: blanks
within expressions and around brackets, arguments beside multi-line ones, blank lines between blocks.
"""

from __future__ import annotations

import re
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from clickstream_platform_tests.deploy.terraform.module_files import MODULE, terraform

FILES = sorted([*MODULE.rglob("*.tf"), *MODULE.rglob("*.tftest.hcl")])
_ARGUMENT = re.compile(r'^(\s*)((?:"[^"]*"|\([^)]*\)|[\w-]+))( +)= \S')


def faults(text: str) -> list[str]:
    """Return what a formatted file would not have, each with its line."""
    lines = text.split("\n")
    found = [f"{number}: blanks" for number, line in enumerate(lines, 1) if line != line.rstrip() or "\t" in line]
    found += [f"{n}: two blank lines" for n, pair in enumerate(pairwise(lines), 1) if pair == ("", "")]
    if not text.endswith("\n") or text.endswith("\n\n"):
        found.append("the end: one line break")
    return found + indentation_faults(lines) + alignment_faults(lines)


def bare(line: str) -> str:
    """Return a line without what stands in quotes or behind `#`, and without the dots of an expansion."""
    return re.sub(r"(^|\s)#.*", "", re.sub(r'"(?:\\.|[^"\\])*"', '""', line)).replace("...", "")


def indentation_faults(lines: list[str]) -> list[str]:
    """Return the lines that are not indented by two spaces for each line that opened brackets which are still open."""
    found, stack = [], list[int]()  # how many brackets each line opened that is not closed yet
    for number, line in enumerate(lines, 1):
        code = bare(line).strip()
        closing = len(re.match(r"[\]})]*", code)[0])  # type: ignore[index]
        for _ in range(closing):
            stack[-1] -= 1
            if not stack[-1]:
                stack.pop()
        if line.strip() and len(line) - len(line.lstrip()) != 2 * len(stack):
            found.append(f"{number}: indented by {len(line) - len(line.lstrip())} instead of {2 * len(stack)}")
        opened = 0
        for each in code[closing:]:
            if each in "[{(":
                opened += 1
            elif each in "]})":
                if opened:
                    opened -= 1
                else:
                    stack[-1] -= 1
                    if not stack[-1]:
                        stack.pop()
        if opened:
            stack.append(opened)
    return found


def alignment_faults(lines: list[str]) -> list[str]:
    """Return the lines whose equal sign is not below that of the line before."""
    found = []
    numbered = [(number, line, _is_single(line)) for number, line in enumerate(lines, 1)]
    for is_single, group in groupby(numbered, key=lambda each: each[2]):
        members = list(group)
        if not is_single or len(members) < 2:
            continue
        matches = [(number, _ARGUMENT.match(line)) for number, line, _ in members]
        width = max(len(match[2]) for _, match in matches if match)
        found += [
            f"{number}: the equal sign"
            for number, match in matches
            if match and len(match[2]) + len(match[3]) != width + 1
        ]
    return found


def _is_single(line: str) -> bool:
    code = bare(line)
    pairs = (("[", "]"), ("{", "}"), ("(", ")"))
    return bool(_ARGUMENT.match(line)) and all(code.count(a) == code.count(b) for a, b in pairs)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(MODULE).as_posix())
def test_files_are_formatted(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('a = {\n   b = "c"\n}\n', "2: indented by 3 instead of 2"),
        ('a = "b"\nlong = "c"\n', "1: the equal sign"),
        ('a = "b" \n', "1: blanks"),
        ('a = "b"\n\n\nc = "d"\n', "2: two blank lines"),
        ('a = "b"', "the end: one line break"),
        ("a = f({\n  b = 1\n  })\n", "3: indented by 2 instead of 0"),
    ],
)
def test_the_check_finds_faults(text: str, fault: str) -> None:
    assert fault in faults(text)


def test_terraform_would_change_nothing() -> None:
    answer = terraform("fmt", "-check", "-recursive", "-diff", folder=MODULE)
    assert (answer.returncode, answer.stdout) == (0, "")
