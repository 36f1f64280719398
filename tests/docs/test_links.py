"""What the pages point to exists: files, pictures, headings, tests, modules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

from .markdown import PAGES, anchors, inline_code, links

NAMES = [page.name for page in PAGES]
_TOP_LEVEL = {"assets", "bench", "docs", "jobs", "resources", "sensors", "tests", "trading_platform"}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_relative_link_resolves(page: Path) -> None:
    missing = []
    for target in links(page):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = page if not name else (page.parent / name).resolve()
        if not file.exists() or (anchor and anchor not in anchors(file)):
            missing.append(target)
    assert missing == []


def test_u1_readme_shows_the_web_ui() -> None:
    assert {"docs/images/lineage.png", "docs/images/partition-page.png"} <= set(links(REPOSITORY / "README.md"))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    named = [text for text in inline_code(page) if re.fullmatch(r"test_\w+", text)]
    assert [name for name in named if f"def {name}(" not in sources] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_file_of_the_repository_that_a_page_names_exists(page: Path) -> None:
    named = [text.rstrip("/") for text in inline_code(page) if re.fullmatch(r"[\w./-]+", text)]
    paths = [text for text in named if text.partition("/")[0] in _TOP_LEVEL and "/" in text]
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_page_is_reached_from_the_readme(page: Path) -> None:
    start = REPOSITORY / "README.md"
    reached, waiting = {start}, [start]
    while waiting:
        current = waiting.pop()
        for target in links(current):
            file = (current.parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.is_file() and file not in reached:
                reached.add(file)
                waiting.append(file)
    assert page in reached
