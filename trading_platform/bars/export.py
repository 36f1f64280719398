"""Bars as files for other tools: one file per day, written whole or not at all.

Belongs here: names, formats and the atomic write of exported bars. Does not belong here: the stored datasets (``builder.py``), printing.

Names: ``<SYMBOL>_bars_<kind>_<trade date>.<parquet|csv|feather>``, where kind is a clock (``1s``, ``1m``, ``90m``, ``4h``, ``1d``), or
``vol<contracts>``, ``tick<count>``, ``usd<dollars>``: ``MNQ_bars_1m_2025-03-10.parquet``. Columns are those of the dataset ``bars_1s``
(volume, tick and dollar bars add ``ts_close``). Exports are made from the stored ticks, so they need no stored bars.
Synthetic days say so in their names, which end in ``_synthetic`` before the suffix, whoever chose the name (``marked``); Parquet and
Feather also by the schema metadata ``synthetic=true``, for which CSV has no place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from ..errors import QualityError, command
from ..files import replace_file
from .alternative import dollar_bars, tick_bars, volume_bars
from .builder import TICKS, ticks_missing
from .kernel import TICK_COLUMNS, BarWindow, ClockBars, bar_frame, check_step, opening_times
from .partials import REPAIR
from .ticks_reader import TickFile

if TYPE_CHECKING:
    from ..instruments import Instrument
    from ..lake import Footer, Lake
    from ..sessions import Session, TradingCalendar

FORMATS: Final = ("parquet", "csv", "feather")
CSV_TIME: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"
_SHORT: Final = {"volume": "vol", "ticks": "tick", "dollars": "usd"}
_SYNTHETIC_MARK: Final = "_synthetic"
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class ExportKind(Protocol):
    """What is exported, as far as names of files and commands go."""

    @property
    def name(self) -> str:
        """Return the part of the file name that tells the kind."""
        ...

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options of ``tp export bars`` that ask for this kind."""
        ...


@dataclass(frozen=True, slots=True)
class BarKind:
    """Which bars: a clock, or a threshold.

    Attributes:
        by: ``clock`` [s], ``volume`` [contracts], ``ticks`` [trades] or ``dollars`` [USD].
        size: step or threshold in that unit.
    """

    by: str
    size: int | float

    @property
    def name(self) -> str:
        """Return the part of the file name that tells the kind, e.g. ``5m`` or ``vol1000``."""
        if self.by == "clock":
            unit, seconds = next((u, s) for u, s in reversed(_UNITS_S.items()) if self.size % s == 0)
            return f"{self.size // seconds}{unit}"
        return f"{_SHORT[self.by]}{self.size:.12g}"

    @property
    def options(self) -> tuple[str, str]:
        """Return the option of ``tp export bars`` that asks for these bars, with its value."""
        return f"--{self.by}", self.name if self.by == "clock" else str(self.size)


@dataclass(frozen=True, slots=True)
class ExportedDay:
    """What became of one day.

    Attributes:
        trade_date: the day.
        path: the file, None if the day has no session or no trades.
        rows: number of bars.
        reason: why there is no file, None if there is one.
        synthetic: True if the ticks were generated.
        remark: what people should know about the rows, None if nothing.
    """

    trade_date: date
    path: Path | None
    rows: int
    reason: str | None = None
    synthetic: bool = False
    remark: str | None = None


def _refuse(what: str, why: str) -> QualityError:
    return QualityError("E424", what, why, "tp export bars --help")


def parse_clock(text: str | int) -> int:
    """Return the seconds of a clock such as ``"5m"``, ``"1h"``, ``"1d"``, ``"90"`` or 90.

    Raises:
        QualityError: E424 if it is none, or longer than a day.
    """
    match = re.fullmatch(r"(\d{1,6})([smhd]?)", str(text))
    if match is None:
        raise _refuse(f"the clock is {text!r}, expected a number with s, m, h or d, such as 5m", "nothing was written")
    step_s = int(match[1]) * _UNITS_S[match[2] or "s"]
    check_step(step_s)
    return step_s


def bar_kind(*, clock: str | int | None, volume: int | None, ticks: int | None, dollars: float | None) -> BarKind:
    """Return the one kind of bars that was asked for; one minute if none was.

    Raises:
        QualityError: E424 for several kinds, or a size that is not above zero.
    """
    given = {"clock": clock, "volume": volume, "ticks": ticks, "dollars": dollars}
    asked = {name: value for name, value in given.items() if value is not None}
    if len(asked) > 1:
        raise _refuse(f"bars by {' and by '.join(asked)} were asked for, expected one kind", "nothing was written")
    if "clock" in asked or not asked:
        return BarKind("clock", parse_clock("1m" if clock is None else clock))
    by, size = next(iter(asked.items()))
    if not isinstance(size, (int, float)) or not size > 0:
        raise _refuse(f"the bar size by {by} is {size!r}, expected more than 0", "nothing was written")
    return BarKind(by, size)


def export_bars(
    lake: Lake,
    symbol: str,
    days: date | Iterable[date],
    *,
    clock: str | int | None = None,
    volume: int | None = None,
    ticks: int | None = None,
    dollars: float | None = None,
    file_format: str = "parquet",
    out: Path,
    instrument: Instrument | None = None,
    calendar: TradingCalendar | None = None,
    force: bool = False,
) -> list[ExportedDay]:
    """Write the bars of one or more days, one file per day.

    Args:
        lake: where the ticks are.
        symbol: root such as ``MNQ``.
        days: trade date or dates.
        clock: step of clock bars, ``"1s"`` to ``"1d"``; ``"1m"`` if no kind of bar is given.
        volume: contracts per bar.
        ticks: trades per bar.
        dollars: US dollars per bar.
        file_format: ``parquet``, ``csv`` (ISO 8601 times in UTC with microseconds, empty for null) or ``feather``.
        out: folder; made if it is not there.
        instrument: tick size and multiplier; by default the packaged registry's.
        calendar: sessions; by default the instrument's calendar.
        force: replace files that are already there.

    Returns:
        One entry per day, in the order given.

    Raises:
        QualityError: E420 if the ticks of a day are not in the lake, E424 for a wrong kind or format, E427 if a file exists (checked for
            all days before the first is written), E429 if the disk refuses.
    """
    kind = bar_kind(clock=clock, volume=volume, ticks=ticks, dollars=dollars)
    if file_format not in FORMATS:
        raise _refuse(f"the format is {file_format!r}, expected {', '.join(FORMATS)}", "nothing was written")
    instrument = _packaged(symbol) if instrument is None else instrument
    calendar = _calendar_of(instrument) if calendar is None else calendar
    planned = []
    wanted = (days,) if isinstance(days, date) else tuple(days)
    for day in wanted:
        footer = lake.footer(TICKS, symbol, day)
        if footer is None:
            raise ticks_missing(symbol, day)
        path = out / export_name(symbol, kind, day, file_format, synthetic=footer.synthetic)
        if path.exists() and not force and not footer.outcome.is_without_rows:
            raise already_there(path, symbol, wanted, kind, file_format, out)
        planned.append((day, footer, path))
    return [_export_day(lake, instrument, calendar.session(day), kind, (footer, path)) for day, footer, path in planned]


def export_name(symbol: str, kind: ExportKind, trade_date: date, file_format: str, *, synthetic: bool = False) -> str:
    """Return the documented file name."""
    return marked(Path(f"{symbol}_bars_{kind.name}_{trade_date.isoformat()}.{file_format}"), synthetic=synthetic).name


def marked(path: Path, *, synthetic: bool) -> Path:
    """Return the path under which an export is written: a file of generated data says so in its name."""
    if not synthetic or path.stem.endswith(_SYNTHETIC_MARK):
        return path
    return path.with_name(f"{path.stem}{_SYNTHETIC_MARK}{path.suffix}")


def already_there(
    path: Path, symbol: str, days: Sequence[date], kind: ExportKind, file_format: str, out: Path
) -> QualityError:
    """Return the error for an export that exists; its next command writes the same files with ``--force``.

    Args:
        path: the file that is in the way.
        symbol: root such as ``MNQ``.
        days: all trade dates that were asked for, ascending.
        kind: what is exported.
        file_format: of all files.
        out: folder or file as it was asked for.
    """
    span = ("--day", days[0]) if len(days) == 1 else ("--from", days[0], "--to", days[-1])
    rest = (*kind.options, "--format", file_format, "--out", out, "--force")
    return QualityError(
        "E427",
        f"the export {path.name} is already in the folder {path.parent}",
        "an export never replaces a file unless told to with --force; nothing was written",
        command("tp", "export", "bars", symbol, *span, *rest),
    )


def write_failed(path: Path, error: OSError) -> QualityError:
    """Return the error for a disk that refuses an export."""
    return QualityError(
        "E429",
        f"the export {path.name} could not be written: {error.strerror or error}",
        "the folder cannot be written to or the disk is full; an older export of that name is intact",
        "tp export bars --help",
    )


def day_bars(lake: Lake, instrument: Instrument, session: Session, kind: BarKind) -> pl.DataFrame:
    """Return the bars of one stored day of ticks, any kind; columns as ``time_bars`` or ``volume_bars``.

    Clock bars stream through the ticks; threshold bars hold the day in memory (40 bytes per tick).
    """
    symbol, day, tick_size = instrument.symbol, session.trade_date, instrument.tick_size
    path = lake.path(TICKS, symbol, day)
    if kind.by == "clock":
        window, step_s = BarWindow.of_session(session), int(kind.size)
        bars = ClockBars(step_s, tick_size, window)
        repair = _repair(symbol, day)
        with TickFile(path, f"{symbol}/{TICKS} {day}", repair) as file:
            contract = file.contract_symbol()
            for chunk in file.chunks():
                bars.push(chunk)
        finished = bars.finish()
        return bar_frame(finished, opening_times(finished.bucket, check_step(step_s), window), tick_size, contract)
    frame = lake.read(TICKS, symbol, day, columns=[*TICK_COLUMNS, "contract"])  # which checks the pages
    if kind.by == "volume":
        return volume_bars(frame, int(kind.size), tick_size=tick_size)
    if kind.by == "ticks":
        return tick_bars(frame, int(kind.size), tick_size=tick_size)
    return dollar_bars(frame, kind.size, tick_size=tick_size, multiplier_usd=instrument.multiplier_usd)


def _export_day(
    lake: Lake, instrument: Instrument, session: Session, kind: BarKind, planned: tuple[Footer, Path]
) -> ExportedDay:
    day, (footer, path) = session.trade_date, planned
    if footer.outcome.is_without_rows or footer.rows == 0:
        return ExportedDay(day, None, 0, footer.reason or f"the ticks are {footer.outcome}", footer.synthetic)
    frame = _bars_of_stored_day(lake, instrument, session, kind)
    write_bars(frame, path, synthetic=footer.synthetic)
    return ExportedDay(day, path, frame.height, None, footer.synthetic)


def _repair(symbol: str, trade_date: date) -> str:
    return command("tp", "backfill", f"{symbol}/{TICKS}", "--from", trade_date, "--to", trade_date, "--force")


def _bars_of_stored_day(lake: Lake, instrument: Instrument, session: Session, kind: BarKind) -> pl.DataFrame:
    """Return the bars of a day; an error of the kernels, which know arrays only, is told the partition and its repair."""
    try:
        return day_bars(lake, instrument, session, kind)
    except QualityError as error:
        day, key = session.trade_date, f"{instrument.symbol}/{TICKS}"
        what = error.what if error.what.startswith(key) else f"{key} {day}: {error.what}"
        next_command = _repair(instrument.symbol, day) if error.next_command == REPAIR else error.next_command
        raise QualityError(error.code, what, error.why, next_command) from error


def write_bars(frame: pl.DataFrame, path: Path, *, synthetic: bool, about: Mapping[str, str] | None = None) -> None:
    """Write a frame of bars; the suffix of the path tells the format.

    ``about`` goes into the schema metadata beside ``synthetic``, where the format has a place for it.

    A temporary file in the same folder is renamed onto the path when it is whole and on disk, so a reader sees the old file or the new one.

    Raises:
        QualityError: E429 if the disk refuses; the temporary file is gone and an older export is intact.
    """
    try:
        replace_file(path, _writer(frame, path.suffix, {**(about or {}), **_label(synthetic)}))
    except OSError as error:
        raise write_failed(path, error) from error


def _label(synthetic: bool) -> dict[str, str]:  # noqa: FBT001
    return {"synthetic": "true" if synthetic else "false"}


def _writer(frame: pl.DataFrame, suffix: str, about: Mapping[str, str]) -> Callable[[BinaryIO], object]:
    """Return the function that writes the frame in the format of the suffix."""
    if suffix == ".csv":
        return lambda file: frame.write_csv(file, datetime_format=CSV_TIME)
    table = _arrow(frame, about)
    if suffix == ".feather":
        return lambda file: feather.write_feather(table, file, compression="zstd")
    return lambda file: pq.write_table(table, file, compression="zstd", compression_level=3)


def _arrow(frame: pl.DataFrame, about: Mapping[str, str]) -> pa.Table:
    """Return an Arrow table whose words are plain ``dictionary<int32, string>``, which every reader knows."""
    words = [name for name, kind in frame.schema.items() if kind == pl.Categorical]
    table = frame.with_columns(pl.col(name).cast(pl.String) for name in words).to_arrow()
    for name in words:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(at).cast(pa.string()).dictionary_encode())
    return table.replace_schema_metadata(dict(about))


def _packaged(symbol: str) -> Instrument:
    from ..instruments import load_registry

    return load_registry().get(symbol)


def _calendar_of(instrument: Instrument) -> TradingCalendar:
    from ..sessions import calendar_for

    return calendar_for(instrument.calendar)
