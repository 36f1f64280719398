"""Reading partitions into polars.

Belongs here: exact paths, ranges of trade dates, the added columns ``symbol`` and ``trade_date``. Does not belong
here: SQL (``sql.py``).

Every file is opened once and read through that handle: reading by path opens it again for the rows, and a replacement
in between would mix the footer of one file with the rows of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ConfigurationError, LakeError
from ..sessions import weekdays_between
from .contract import DatasetContract
from .contracts import CONTRACTS
from .footer import damaged

if TYPE_CHECKING:
    from .local import Lake

_SHOWN_DAYS = 5
_MOST_OPEN_FILES = 256
_PORTION_ROWS = 16_384
ADDED_COLUMNS = ("symbol", "trade_date")
Missing = Literal["error", "skip"]
# A trade date, as a date or as people write it: "2025-03-10".
Day = date | str


def read(
    lake: Lake,
    dataset: str,
    symbol: str,
    days: Day | tuple[Day, Day],
    *,
    columns: Sequence[str] | None = None,
    missing: Missing = "error",
) -> pl.DataFrame:
    """Read one trade date or a range of them.

    Args:
        lake: where the partitions are.
        dataset: name in ``CONTRACTS``.
        symbol: symbol of the partitions.
        days: one trade date, or first and last trade date, both included, each as a date or as ``"2025-03-10"``; Saturdays and Sundays have
            no partition.
        columns: columns to read, in this order; all if None. ``symbol`` and ``trade_date`` are always added.
        missing: ``"error"`` refuses a range with a weekday that has no file; ``"skip"`` leaves such days out.

    Returns:
        symbol str, trade_date date, then the columns of the contract, in order of trade date and of the file. No rows for closed days.

    Raises:
        ConfigurationError: E108 if a day is no date.
        LakeError: E505 if a file is damaged, E507 if a day has no file, E508 if dataset or column is unknown.
    """
    contract = contract_of(dataset)
    names = _chosen(contract, columns)
    frames = []
    for day, path in _paths(lake, dataset, symbol, days, missing):
        frames.append(_read_file(path, names).select(*_labels(symbol, day), *names))
    if not frames:
        frames.append(contract.empty().select(*_labels(symbol, date.min), *names))
    return pl.concat(frames)


def scan(
    lake: Lake, dataset: str, symbol: str, days: Day | tuple[Day, Day], missing: Missing = "error"
) -> pl.LazyFrame:
    """Read lazily, for ranges that do not fit into memory; arguments and columns as :func:`read`.

    Up to 256 files are opened now and stay open until the frame is dropped, so later replacements are not seen. The
    files of a longer range are opened when they are needed, because a process may not hold that many.

    Raises:
        LakeError: E505 if the footer of a file is damaged; E507, E508 as :func:`read`. Damage further inside, and a file replaced by a
            damaged one, is an error of polars when the frame is collected.
    """
    contract = contract_of(dataset)
    names = contract.arrow_schema.names
    there = _paths(lake, dataset, symbol, days, missing)
    scan_one = _scan_file if len(there) <= _MOST_OPEN_FILES else _scan_path
    frames = [scan_one(path).select(*_labels(symbol, day), *names) for day, path in there]
    if not frames:
        frames.append(contract.empty().select(*_labels(symbol, date.min), *names).lazy())
    return pl.concat(frames)


def contract_of(dataset: str) -> DatasetContract:
    """Return the contract of a dataset.

    Raises:
        LakeError: E508 if there is none.
    """
    contract = CONTRACTS.get(dataset)
    if contract is None:
        raise _unknown("dataset", dataset, list(CONTRACTS))
    return contract


def trade_date_of(day: Day) -> date:
    """Return a trade date that was given as a date or as text.

    Raises:
        ConfigurationError: E108 if it is neither; an instant is no trade date, because its session may be another day's.
    """
    if isinstance(day, date) and not isinstance(day, datetime):
        return day
    try:
        if isinstance(day, str):
            return date.fromisoformat(day)
    except ValueError:
        pass  # the error below says it better
    raise ConfigurationError(
        "E108",
        f"expected a trade date such as date(2025, 3, 10) or '2025-03-10', was {day!r}",
        "days are named by the date of their session, not by an instant; nothing was read",
        'tp sql "show tables"',
    )


def first_and_last(days: Day | tuple[Day, Day]) -> tuple[date, date]:
    """Return both ends of a range; one trade date is both.

    Raises:
        ConfigurationError: E108 if one of them is no trade date.
    """
    first, last = days if isinstance(days, tuple) else (days, days)
    return trade_date_of(first), trade_date_of(last)


def no_such_days(dataset: str, symbol: str, days: Sequence[date]) -> LakeError:
    """Return the error for trade dates without a file."""
    shown = ", ".join(day.isoformat() for day in days[:_SHOWN_DAYS])
    more = f" and {len(days) - _SHOWN_DAYS} more" if len(days) > _SHOWN_DAYS else ""
    return LakeError(
        "E507",
        f"{symbol}/{dataset} has no file for {shown}{more}",
        "these trade dates have not been built yet, or failed",
        f"tp backfill {symbol}/{dataset} --from {days[0].isoformat()} --to {days[-1].isoformat()}",
    )


def _paths(
    lake: Lake, dataset: str, symbol: str, days: Day | tuple[Day, Day], missing: Missing
) -> list[tuple[date, Path]]:
    is_one = not isinstance(days, tuple)
    first, last = first_and_last(days)
    wanted = [first] if is_one else weekdays_between(first, last)
    there = [day for day in wanted if lake.exists(dataset, symbol, day)]
    if missing == "error" and len(there) < len(wanted):
        raise no_such_days(dataset, symbol, sorted(set(wanted) - set(there)))
    return [(day, lake.path(dataset, symbol, day)) for day in there]


def _read_file(path: Path, names: list[str]) -> pl.DataFrame:
    try:
        # Not by polars, which does not look at page checksums: flipped bits would come back as prices.
        with path.open("rb") as file:
            table = pq.ParquetFile(file, page_checksum_verification=True).read(columns=names)
        frame = pl.from_arrow(table)
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:
        raise damaged(path, str(error)) from error
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"Expected a frame from a table, was {type(frame)}")
    return frame.select(names)


def row_groups(
    lake: Lake, dataset: str, symbol: str, day: date, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yield the row groups of one partition, for rows that do not fit into memory together.

    Args:
        lake: where the partition is.
        dataset: name of the dataset.
        symbol: first part of the asset key.
        day: trade date.
        columns: names, None for all.

    Raises:
        LakeError: E505 if the file is damaged, E507 if it is not there.
    """
    path = lake.path(dataset, symbol, day)
    try:
        with path.open("rb") as file, pq.ParquetFile(file, page_checksum_verification=True) as stored:
            for group in range(stored.num_row_groups):
                # An error of the reader's own work between two groups never arrives here, so it is not taken for a damaged file.
                yield stored.read_row_group(group, columns=columns, use_threads=False)
    except FileNotFoundError as error:
        raise no_such_days(dataset, symbol, [day]) from error
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


def portions(
    lake: Lake, dataset: str, symbol: str, day: date, columns: Sequence[str] | None = None, *, rows: int = _PORTION_ROWS
) -> Iterator[pa.Table]:
    """Yield one partition in portions that are smaller than a row group and may span two.

    A row group is decoded whole, which takes a multiple of its size; a portion is decoded page by page.

    Args:
        lake: where the partition is.
        dataset: name of the dataset.
        symbol: first part of the asset key.
        day: trade date.
        columns: names, None for all.
        rows: rows of a portion, at most.

    Raises:
        LakeError: E505 if the file is damaged, E507 if it is not there.
    """
    path = lake.path(dataset, symbol, day)
    try:
        with path.open("rb") as file, pq.ParquetFile(file, page_checksum_verification=True) as stored:
            for batch in stored.iter_batches(rows, columns=columns, use_threads=False):
                yield pa.Table.from_batches([batch])
    except FileNotFoundError as error:
        raise no_such_days(dataset, symbol, [day]) from error
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


def is_intact(path: Path) -> bool:
    """Tell whether every page of a stored file has the checksum it was written with; reads all of it, keeps none."""
    try:
        with path.open("rb") as file, pq.ParquetFile(file, page_checksum_verification=True) as stored:
            for group in range(stored.num_row_groups):
                stored.read_row_group(group)
    except (pa.ArrowException, OSError):
        return False
    return True


def _scan_file(path: Path) -> pl.LazyFrame:
    try:
        with path.open("rb") as file:
            frame = pl.scan_parquet(file)
            frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(path, str(error)) from error
    return frame


def _scan_path(path: Path) -> pl.LazyFrame:
    try:
        # Not by the frame that is returned: it would keep this footer for the rows of a later file.
        pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(path, str(error)) from error
    return pl.scan_parquet(path, hive_partitioning=False)


def _labels(symbol: str, day: date) -> tuple[pl.Expr, pl.Expr]:
    return pl.lit(symbol).alias("symbol"), pl.lit(day).alias("trade_date")


def _chosen(contract: DatasetContract, columns: Sequence[str] | None) -> list[str]:
    known = contract.arrow_schema.names
    if columns is None:
        return list(known)
    for name in columns:
        if name not in known and name not in ADDED_COLUMNS:
            raise _unknown(f"column of {contract.name}", name, known)
    return [name for name in columns if name not in ADDED_COLUMNS]


def _unknown(kind: str, name: str, known: Sequence[str]) -> LakeError:
    return LakeError(
        "E508",
        f"unknown {kind}: {name!r}, expected one of {', '.join(known)}",
        "the name is not part of any contract; nothing was read",
        'tp sql "show tables"',
    )
