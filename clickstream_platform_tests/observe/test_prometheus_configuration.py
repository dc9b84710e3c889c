"""The shipped Prometheus configuration is valid as the documents say, and scrapes what rules and panels ask for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from clickstream_platform.cli.dev import REGISTRY_FOLDER
from clickstream_platform.observe.dashboards.pages import PAGES
from clickstream_platform.settings import load_settings
from clickstream_platform_tests.shared_data import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
CONFIGURATION = Path("prometheus") / "prometheus.yml"
PAGE = REPOSITORY / "docs" / "metrics.md"


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """Copy what Prometheus needs, without a token that somebody may have there."""
    for name in ("prometheus", "alerts"):
        shutil.copytree(DEPLOY / name, tmp_path / "deploy" / name, ignore=shutil.ignore_patterns("registry-token"))
    return tmp_path / "deploy"


def check(deploy: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `promtool check config` from somewhere else; skip where it is not installed."""
    command = shutil.which("promtool")
    if command is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return subprocess.run(
        [command, "check", "config", *options, str(deploy / CONFIGURATION)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_configuration_is_valid_once_the_token_is_beside_it(deploy: Path) -> None:
    done = check(deploy)
    assert done.returncode == 1
    assert "registry-token" in done.stderr, "nothing else is missing"
    assert check(deploy, "--syntax-only").returncode == 0
    (deploy / "prometheus" / "registry-token").write_text("cst_any\n")
    done = check(deploy)
    assert done.returncode == 0, done.stderr
    assert "SUCCESS" in done.stdout
    assert done.stdout.count(".rules.yaml") >= 2


def test_the_documented_link_leads_to_the_token_of_dev() -> None:
    found = re.search(r"^ *ln -s (\S+) (\S+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    target, link = found.groups()
    configuration = yaml.safe_load((DEPLOY / CONFIGURATION).read_text(encoding="utf-8"))
    (token,) = [job["authorization"]["credentials_file"] for job in configuration["scrape_configs"] if len(job) > 2]
    assert REPOSITORY / link == (DEPLOY / CONFIGURATION).parent / token
    home = load_settings({}).home
    assert not home.is_absolute()
    expected = REPOSITORY / home / REGISTRY_FOLDER / "loader-token"
    assert ((REPOSITORY / link).parent / target).resolve() == expected.resolve()
    assert f"/{link}" in (REPOSITORY / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_rules_and_panels_ask_for_jobs_that_are_scraped() -> None:
    configuration = yaml.safe_load((DEPLOY / CONFIGURATION).read_text(encoding="utf-8"))
    jobs = {job["job_name"] for job in configuration["scrape_configs"]}
    rules = [file.read_text(encoding="utf-8") for file in (DEPLOY / "alerts").glob("*.rules.yaml")]
    panels = [query.expr for page in PAGES.values() for panel in page.panels() for query in panel.queries]
    asked = {job for text in (*rules, *panels) for job in re.findall(r'job="([^"]+)"', text)}
    assert asked
    assert asked <= jobs
