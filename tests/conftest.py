"""Fixtures that more than one room's tests use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def require(condition: bool, reason: str) -> None:  # noqa: FBT001
    """Skip for a missing prerequisite; where CI=true a missing prerequisite is a failure."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI lacks a prerequisite: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder with private sample data, which lies beside the checkout."""
    folder = REPOSITORY.parent / "shared" / "data"
    require(folder.is_dir(), f"sample data folder {folder.name} is not beside the checkout")
    return folder
