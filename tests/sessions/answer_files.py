"""Answers for session tests, read from CSV files.

The files are worked out by hand from notices of the exchanges. Never fill them with what the code under test or its library says.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

FOLDER = Path(__file__).with_name("answers")
FILES = ("cme.csv", "nyse.csv")


@dataclass(frozen=True)
class Answer:
    """What one session must look like."""

    calendar: str
    trade_date: date
    window_start: datetime
    window_end: datetime
    opens_at: datetime | None
    closes_at: datetime | None
    breaks: tuple[tuple[datetime, datetime], ...]
    is_half_day: bool
    source: str

    def __str__(self) -> str:
        return f"{self.calendar}-{self.trade_date}"


def read_answers() -> list[Answer]:
    """Return all rows of all files."""
    return [_answer(row) for name in FILES for row in _rows(name)]


def end_dates() -> dict[str, date]:
    """Return until when each file has been looked after."""
    return {row["file"]: date.fromisoformat(row["end_date"]) for row in _rows("end_dates.csv")}


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _answer(row: dict[str, str]) -> Answer:
    breaks = tuple(tuple(datetime.fromisoformat(edge) for edge in part.split("/")) for part in row["breaks"].split())
    return Answer(
        calendar=row["calendar"],
        trade_date=date.fromisoformat(row["trade_date"]),
        window_start=datetime.fromisoformat(row["window_start"]),
        window_end=datetime.fromisoformat(row["window_end"]),
        opens_at=datetime.fromisoformat(row["opens_at"]) if row["opens_at"] else None,
        closes_at=datetime.fromisoformat(row["closes_at"]) if row["closes_at"] else None,
        breaks=breaks,  # type: ignore[arg-type]  # pairs by construction of the file
        is_half_day=row["half_day"] == "yes",
        source=row["source"],
    )
