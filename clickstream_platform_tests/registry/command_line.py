"""`clickstream registry …` as tests run it.

Belongs here: running a command against one registry. Does not: tests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner, Result

from clickstream_platform.cli.registry import registry_app


@dataclass(frozen=True)
class CommandLine:
    """The commands of one registry, given by somebody called anna."""

    url: str

    def run(self, *arguments: str, stdin: str | bytes = "") -> Result:
        """Run a command and give its result."""
        return CliRunner().invoke(
            registry_app, ["--registry-url", self.url, "--actor", "anna", *arguments], input=stdin
        )

    def answer(self, *arguments: str, stdin: str | bytes = "", code: int = 0) -> Any:
        """Run a command with `--json` and give what it answers."""
        result = self.run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def refusal(self, *arguments: str, stdin: str | bytes = "") -> str:
        """Run a command that must fail, and give the one line that says why."""
        result = self.run(*arguments, stdin=stdin)
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: ")
        return line.removeprefix("error: ")
