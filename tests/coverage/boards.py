"""Small boards for the tests of what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

from trading_platform.coverage.board import Board
from trading_platform.coverage.judge import Judgement
from trading_platform.coverage.series import Series
from trading_platform.coverage.states import State
from trading_platform.sessions import weekdays_between

NOW = datetime(2025, 3, 20, 12, tzinfo=UTC)


def series(symbol: str = "MNQ", dataset: str = "ticks", *, on_demand: bool = False) -> Series:
    return Series(symbol, dataset, dataset, "CME_EQUITY", "1", 1, rejects="tick_rejects", on_demand=on_demand)


def board_of(
    first: date,
    last: date,
    cells: Mapping[tuple[int, date], Judgement],
    *,
    rows: tuple[Series, ...] = (series(),),
    otherwise: State = State.COMPLETE,
) -> Board:
    """Return a board with the given cells; all others are ``otherwise``."""
    board = Board(list(rows), weekdays_between(first, last), NOW)
    for row in range(len(rows)):
        for column, day in enumerate(board.days):
            board.put(row, column, cells.get((row, day), Judgement(otherwise)))
    return board
