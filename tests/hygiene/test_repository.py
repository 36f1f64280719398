"""The repository keeps its own rules: error catalogue, licensed data, secrets, sizes, module names."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require

from . import forbidden_text, large_files

REPOSITORY = Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("trading_platform", "assets", "resources", "jobs", "sensors")
CODE = re.compile(r"\bE[1-6]\d\d\b")


def tracked_files() -> list[Path]:
    require((REPOSITORY / ".git").exists(), "not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    return [REPOSITORY / name for name in listed.split("\0") if name]


def codes_in_source() -> Iterator[tuple[str, Path]]:
    """Yield every error number that appears as a whole string constant in the code."""
    for folder in CODE_FOLDERS:
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                    yield node.value, path


def catalogue() -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for line in (REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and CODE.fullmatch(cells[0]):
            assert cells[0] not in rows, f"{cells[0]} stands twice in the catalogue"
            rows[cells[0]] = cells[1:]
    return rows


def test_u5_catalogue_has_exactly_the_errors_of_the_code() -> None:
    used = {code for code, _ in codes_in_source()}
    assert used == set(catalogue())


def test_u5_every_row_names_cause_remedy_and_command() -> None:
    for code, cells in catalogue().items():
        assert len(cells) == 3, code
        cause, remedy, command = cells
        assert len(cause) > 10, code
        assert len(remedy) > 10, code
        assert "`tp" in command or "`cd" in command or "`make" in command or "`df" in command, code


def test_u5_every_error_is_raised_by_a_test() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    missing = sorted(code for code in catalogue() if code not in tests)
    assert not missing


def test_no_secret_and_no_path_of_a_machine_is_committed() -> None:
    assert forbidden_text.findings(tracked_files()) == []


def test_no_large_file_is_committed() -> None:
    assert large_files.findings(tracked_files()) == []


@pytest.mark.parametrize("folder", CODE_FOLDERS)
def test_every_module_says_what_it_is_for(folder: str) -> None:
    for path in (REPOSITORY / folder).rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_packages_of_the_checkout_are_listed() -> None:
    import tomllib

    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "packages"
    ]
    found = {
        str(path.parent.relative_to(REPOSITORY)).replace("/", ".")
        for folder in CODE_FOLDERS
        for path in (REPOSITORY / folder).rglob("__init__.py")
    }
    assert set(listed) == found
