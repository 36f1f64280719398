"""The coverage board of one home, as ``tp status`` needs it: fast.

Belongs here: which rows there are, remembered as long as code and instruments stay the same; the run history without loading Dagster where
that is possible; the comparison with source files, which is asked for explicitly. Does not belong here: judging
(``trading_platform.coverage``) and the asset (``assets/coverage.py``). Nothing of Dagster is imported before it is needed: loading it takes
longer than the whole board.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trading_platform.coverage.board import Board
from trading_platform.coverage.calendar import CalendarDays, calendar_days, pack, unpack
from trading_platform.coverage.fronts import Fronts, as_json, from_json, fronts_of
from trading_platform.coverage.history import NoHistory, RunHistory, SqliteHistory
from trading_platform.coverage.judge import Judgement
from trading_platform.coverage.packed import fingerprint_key, load, save
from trading_platform.coverage.series import Series
from trading_platform.coverage.states import State
from trading_platform.home import Home

if TYPE_CHECKING:
    import dagster as dg

    from assets.builders import Workbench

REPOSITORY = Path(__file__).resolve().parents[1]
_CODE = ("trading_platform", "assets", "jobs", "resources", "sensors", "definitions.py")
_SUFFIXES = (".py", ".toml", ".csv")
# No calendar reaches further.
_LAST_DATE = date(2050, 12, 31)


@dataclass(frozen=True)
class Rows:
    """The rows of the board and their calendars.

    Attributes:
        series: in the order of the asset graph.
        calendars: by name.
        first_trade_date: first day that has a partition.
        fronts: windows of the roll table by root.
    """

    series: Sequence[Series]
    calendars: Mapping[str, CalendarDays]
    first_trade_date: date
    fronts: Mapping[str, Fronts]


def rows_of(home: Home, load_definitions: Callable[[], dg.Definitions]) -> Rows:
    """Return the rows of a home.

    They come from the assembled definitions, which take two seconds to load; so they are remembered together with the state (size and
    time of change) of every file of code, of the list of instruments and of the roll table, and loaded again when any of these has changed.

    Args:
        home: the installation.
        load_definitions: assembles the platform.

    Raises:
        ConfigurationError: E130, E131 the roll table cannot be used.
    """
    key = _state_of_code(home)
    path = home.coverage_cache_dir / "rows"
    kept = load(path, key)
    if kept is not None:
        series = [Series.from_dict(values) for values in kept.header["series"]]
        first_trade_date = date.fromisoformat(kept.header["first_trade_date"])
        return Rows(series, unpack(kept), first_trade_date, from_json(kept.header["fronts"]))
    from assets.coverage import series_of
    from assets.partitions import FIRST_TRADE_DATE
    from trading_platform.instruments import load_registry, load_roll_table

    registry = load_registry(home.instruments_toml)
    series = series_of(load_definitions().resolve_all_asset_specs(), registry)
    calendars = {name: calendar_days(name) for name in sorted({row.calendar for row in series})}
    packed = pack(calendars)
    packed.header["series"] = [row.as_dict() for row in series]
    packed.header["first_trade_date"] = FIRST_TRADE_DATE.isoformat()
    fronts = fronts_of(
        registry,
        load_roll_table(registry, home.rolls_csv),
        (row.symbol for row in series),
        FIRST_TRADE_DATE,
        _LAST_DATE,
    )
    packed.header["fronts"] = as_json(fronts)
    save(path, key, packed)
    return Rows(series, calendars, FIRST_TRADE_DATE, fronts)


@contextmanager
def history_of(home: Home, open_instance: Callable[[], Any]) -> Iterator[RunHistory]:
    """Open the run history of a home.

    Args:
        home: the installation.
        open_instance: context manager that opens the Dagster instance; used only if its storage is not the SQLite file in the home.

    Raises:
        LakeError: E546 if the SQLite file cannot be read.
    """
    settings = home.dagster_dir / "dagster.yaml"
    lines = settings.read_text(encoding="utf-8").splitlines() if settings.is_file() else []
    if any(line.startswith(("storage:", "event_log_storage:", "local_artifact_storage:")) for line in lines):
        from assets.run_history import InstanceHistory

        with open_instance() as instance:
            yield InstanceHistory(instance)
        return
    database = home.events_db
    if not database.is_file():
        yield NoHistory()
        return
    history = SqliteHistory(database)
    try:
        yield history
    finally:
        history.close()


def verify_sources(board: Board, workbench: Workbench, instance: dg.DagsterInstance) -> None:
    """Compare every stored day that looks well with its sources, and mark those whose sources or settings have changed.

    Uses the decision of ``tp backfill`` (``plan_days``): plan, hashes of source ranges, fingerprint.

    Args:
        board: changed in place.
        workbench: opened resources.
        instance: where events are.
    """
    import dagster as dg

    from .planning import DayState, Mode, plan_days

    comparable = {State.COMPLETE, State.EMPTY, State.CLOSED, State.DEGRADED, State.QUARANTINED}
    for row, series in enumerate(board.series):
        if row in board.nothing_yet:
            continue
        key = dg.AssetKey([series.symbol, series.dataset])
        stored: dict[date, int] = {
            day: column for column, day in enumerate(board.days) if board.state(row, column) in comparable
        }
        materialized = instance.get_materialized_partitions(key)
        days = [day for day in stored if day.isoformat() in materialized]
        for planned in plan_days(key, workbench, instance, days, Mode.DEFAULT):
            if planned.state is DayState.STALE:
                board.put(row, stored[planned.trade_date], Judgement(State.STALE, planned.why))
            elif planned.state is DayState.UNREADABLE:
                reason = f"cannot be compared with its source: {planned.why}"
                board.put(row, stored[planned.trade_date], Judgement(State.STALE, reason))


def _state_of_code(home: Home) -> str:
    """Return a digest that changes with any file from which the rows follow."""
    state: dict[str, Any] = {"repository": str(REPOSITORY)}
    for name in _CODE:
        for path in _files(REPOSITORY / name):
            status = path.stat()
            state[str(path)] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    for path in (home.instruments_toml, home.rolls_csv):
        if path.is_file():
            status = path.stat()
            state[path.name] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return fingerprint_key(state)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(folder, name) for name in names if name.endswith(_SUFFIXES))
