"""What Terraform and the AWS provider say: valid, and the module's own tests (`terraform test`, with a mock of AWS)."""

from __future__ import annotations

from pathlib import Path

import pytest

from clickstream_platform_tests.deploy.terraform.module_files import initialized, terraform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return initialized(tmp_path_factory.mktemp("terraform"))


@pytest.mark.parametrize("folder", [".", "examples/complete"])
def test_the_configuration_is_valid(copy: Path, folder: str) -> None:
    answer = terraform("validate", "-no-color", folder=copy / folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Success" in answer.stdout


def test_the_modules_own_tests_pass(copy: Path) -> None:
    answer = terraform("test", "-no-color", folder=copy)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 failed" in answer.stdout
    assert "0 passed" not in answer.stdout
