"""Reading the project's Markdown pages: links, headings, fenced snippets, table rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
ERRORS = REPOSITORY / "docs" / "errors.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def snippets(language: str) -> list[Snippet]:
    """Return all fenced blocks of a language, over all pages."""
    found: list[Snippet] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += [
            Snippet(page, text[: match.start()].count("\n") + 1, language, match[2])
            for match in _FENCE.finditer(text)
            if match[1] == language
        ]
    return found


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Return the targets of all links and pictures."""
    return _LINK.findall(prose(page))


def inline_code(page: Path) -> list[str]:
    """Return everything that stands between backticks in the running text and in tables."""
    return _CODE.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    headings = _HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
