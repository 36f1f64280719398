"""Every command, Python and SQL snippet of the documentation works."""

from __future__ import annotations

import tomllib

import pytest

from trading_platform.home import Home
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.lake.sql import connect

from .commands import problem_of
from .markdown import ERRORS, PAGES, Snippet, inline_code, prose, snippets

_INLINE = ("tp ", "make ", "python -m ")


@pytest.mark.parametrize("snippet", snippets("bash"), ids=str)
def test_u2_every_command_of_a_snippet_exists_with_its_options(snippet: Snippet) -> None:
    lines = snippet.text.replace("\\\n", " ").splitlines()
    problems = {line: problem for line in lines if (problem := problem_of(line)) is not None}
    assert problems == {}


def test_u2_a_wrong_command_is_noticed() -> None:
    for line in (
        "tp nonsense",
        "tp backfill --nope",
        "tp sierra",
        "tp sql",
        "make nonsense",
        "tp export bars MNQ --format pdf",
    ):
        assert problem_of(line) is not None, line
    for line in ("tp demo", "TP_HOME=x tp ui  # comment", "make test", "python -m trading_platform.lake.dictionary"):
        assert problem_of(line) is None, line


def test_u2_every_complete_command_in_the_text_exists() -> None:
    problems = {}
    for page in PAGES:
        for text in inline_code(page):
            if text.startswith(_INLINE) and (problem := _problem_of_mention(text)) is not None:
                problems[f"{page.name}: {text}"] = problem
    assert problems == {}


def _problem_of_mention(text: str) -> str | None:
    """Return what is wrong with a command that the text mentions, perhaps without its arguments."""
    problem = problem_of(text)
    return None if problem is not None and problem.startswith("Missing ") else problem


def test_u5_every_next_command_of_the_error_catalogue_parses() -> None:
    problems = {}
    for line in prose(ERRORS).splitlines():
        if line.startswith("| E"):
            code, *_, command = [cell.strip() for cell in line.strip("| ").split(" | ")]
            if (problem := problem_of(command.strip("`"))) is not None:
                problems[code] = f"{command}: {problem}"
    assert problems == {}


def test_u5_the_error_catalogue_is_in_order_and_each_row_in_its_family() -> None:
    family, codes = "", []
    for line in prose(ERRORS).splitlines():
        if line.startswith("## "):
            family = line[3:5]
        elif line.startswith("| E"):
            codes.append(line[2:6])
            assert line[2:4] == family, line
    assert codes == sorted(codes)


@pytest.mark.parametrize("snippet", snippets("python"), ids=str)
def test_u3_every_python_snippet_runs(snippet: Snippet, in_small_home: Home) -> None:
    namespace: dict[str, object] = {"__name__": "snippet"}
    exec(compile(snippet.text, str(snippet), "exec"), namespace)
    frames = [value for value in namespace.values() if hasattr(value, "height")]
    books = [value.book for value in namespace.values() if hasattr(value, "book")]
    assert frames or books
    assert all(book is not None for book in books)
    assert all(getattr(frame, "height", 0) > 0 for frame in frames)


@pytest.mark.parametrize("snippet", snippets("sql"), ids=str)
def test_u3_every_sql_snippet_runs_and_finds_rows(snippet: Snippet, in_small_home: Home) -> None:
    with connect(in_small_home.lake_dir) as connection:
        for statement in filter(str.strip, snippet.text.split(";")):
            assert connection.execute(statement).fetchall(), statement


@pytest.mark.parametrize("snippet", snippets("toml"), ids=str)
def test_s2_every_toml_snippet_is_a_valid_list_of_instruments_or_sources(snippet: Snippet, in_small_home: Home) -> None:
    if "[[source]]" in snippet.text:
        assert all(set(table) == {"path", "contract"} for table in tomllib.loads(snippet.text)["source"])
        return
    path = in_small_home.path.parent / "snippet.toml"
    path.write_text(snippet.text, encoding="utf-8")
    load_registry(path)


@pytest.mark.parametrize("snippet", snippets("csv"), ids=str)
def test_s3_every_roll_snippet_is_accepted(snippet: Snippet, in_small_home: Home) -> None:
    path = in_small_home.path.parent / "snippet.csv"
    path.write_text(snippet.text, encoding="utf-8")
    load_roll_table(load_registry(None), path)
