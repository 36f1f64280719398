"""The partitions that the enrichment of one trade date is made from: what is stored of them, and their rows.

Belongs here: which days of the underlying belong to a trade date, what their footers say, reading them. Does not belong here: ticks and
bars (the builders), the rules of attachment (``attach.py``).

The underlying has calendar days of New York and the future has sessions that begin the evening before, so a trade date needs two
partitions: the underlying's previous open day, for the evening and for what was known before the opening, and the day itself. A partition
that is not there is part of the fingerprint as absent, so the day turns stale when it arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import polars as pl

from ..errors import QualityError, command
from ..instants import us_of
from ..lake.building import Json, SourceChangedError, SourceSlice
from ..lake.upstream import UpstreamDay
from ..sessions import trading_spans
from .asof import Ints, is_decreasing

if TYPE_CHECKING:
    from ..lake import Lake
    from ..sessions import Session, TradingCalendar

SNAPSHOTS: Final = "gex_snapshots"
LEVELS: Final = "gex_levels"
# A hexadecimal number like any content hash, for readers that compare the first digits.
ABSENT: Final = "0" * 32
SNAPSHOT_ROW: Final = "snapshot_row"
FROM_PREVIOUS: Final = "from_previous"


class UpstreamReplacedError(SourceChangedError):
    """A partition was rebuilt between plan and build (E492); ``build_day`` plans once more."""

    family = "E4"


@dataclass(frozen=True, slots=True)
class Stored:
    """One partition as the plan saw it: there or not, of the day that is made or of an earlier one.

    Attributes:
        dataset: name of the dataset.
        symbol: first part of the asset key.
        trade_date: the partition.
        is_previous: it is not of the trade date that is being made.
        seen: its content, None if it is not stored.
        synthetic: True if its rows were generated.
    """

    dataset: str
    symbol: str
    trade_date: date
    is_previous: bool = False
    seen: UpstreamDay | None = None
    synthetic: bool = False

    @classmethod
    def of(cls, lake: Lake, dataset: str, symbol: str, trade_date: date, *, is_previous: bool = False) -> Stored:
        """Look at the footer of a partition."""
        footer = lake.footer(dataset, symbol, trade_date)
        if footer is None:
            return cls(dataset, symbol, trade_date, is_previous)
        seen = UpstreamDay(f"{symbol}/{dataset}", footer.content_hash, footer.rows, footer.facts)
        return cls(dataset, symbol, trade_date, is_previous, seen, synthetic=footer.synthetic)

    @property
    def key(self) -> str:
        """Return the asset key as people write it."""
        return f"{self.symbol}/{self.dataset}"

    @property
    def is_there(self) -> bool:
        """Tell whether the partition is stored."""
        return self.seen is not None

    @property
    def rows(self) -> int:
        """Return the number of rows, 0 if it is not stored."""
        return 0 if self.seen is None else self.seen.rows

    @property
    def facts(self) -> Mapping[str, Json]:
        """Return the facts of its footer, none if it is not stored."""
        return {} if self.seen is None else self.seen.facts

    def source(self) -> SourceSlice:
        """Return what the fingerprint says of it; another day than the one being made is named with its date."""
        name = f"{self.key}/{self.trade_date.isoformat()}" if self.is_previous else self.key
        return SourceSlice(name, ABSENT if self.seen is None else self.seen.content_hash)

    def refuse_if_replaced(self, lake: Lake, key: str, day: date) -> None:
        """Refuse rows other than the planned ones; call it after they were read.

        Args:
            lake: where it is stored.
            key: asset key that is being made, for the message.
            day: trade date that is being made.

        Raises:
            UpstreamReplacedError: E492 if the stored content is not the planned one.
        """
        footer = lake.footer(self.dataset, self.symbol, self.trade_date)
        if footer is not None if self.seen is None else not self.seen.is_still(footer, self.seen.rows):
            raise UpstreamReplacedError(
                "E492",
                f"{self.key} {self.trade_date} was replaced while {key} {day} was being made from it",
                "another run rebuilt it; the rows on disk are the old ones",
                f"tp backfill {key} --from {day} --to {day}",
            )


@dataclass(frozen=True, slots=True)
class Underlying:
    """The instrument whose gamma exposure describes a future.

    Attributes:
        symbol: first part of the asset keys of its datasets, such as ``NQ_NDX``.
        calendar: its sessions.
    """

    symbol: str
    calendar: TradingCalendar

    def days(self, trade_date: date) -> tuple[date, date]:
        """Return the partitions that a trade date looks at: the previous open day and the day itself."""
        return self.calendar.previous_open(trade_date), trade_date

    def stored(self, lake: Lake, dataset: str, trade_date: date) -> tuple[Stored, ...]:
        """Return what is stored of the days that a trade date looks at, the earlier one first."""
        return tuple(
            Stored.of(lake, dataset, self.symbol, day, is_previous=day != trade_date) for day in self.days(trade_date)
        )

    def preopen_from_us(self, trade_date: date) -> int:
        """Return the open of its previous session: snapshots from before are never shown."""
        session = self.calendar.session(self.calendar.previous_open(trade_date))
        return us_of(session.opens_at or session.window_start)

    def regular_us(self, trade_date: date) -> tuple[tuple[int, int], ...]:
        """Return its regular hours on the days that a trade date looks at."""
        return tuple(span for day in self.days(trade_date) for span in trading_spans(self.calendar.session(day)))

    def resolved(self, trade_date: date) -> dict[str, str | Sequence[Sequence[int]] | int]:
        """Return what of its calendar shapes a partition, for the fingerprint."""
        return {
            "underlying": self.symbol,
            "preopen_from_us": self.preopen_from_us(trade_date),
            "regular_us": [list(span) for span in self.regular_us(trade_date)],
        }

    def next_close_us(self, after_us: int, trade_date: date) -> int:
        """Return when the next session closes after an instant on one of the days that a trade date looks at, epoch microseconds UTC."""
        for day in (*self.days(trade_date), self.calendar.next_open(trade_date)):
            closes_at = self.calendar.session(day).closes_at
            if closes_at is not None and us_of(closes_at) > after_us:
                return us_of(closes_at)
        return after_us


def read_snapshots(
    lake: Lake, stored: Sequence[Stored], columns: Sequence[str], *, category: str, from_us: int
) -> pl.DataFrame:
    """Read the snapshots that a trade date may show.

    Args:
        lake: where they are.
        stored: what the plan saw, earlier days first; days that are not there are left out.
        columns: columns of ``gex_snapshots`` besides ``ts``.
        category: of the feed.
        from_us: earliest snapshot, epoch microseconds UTC.

    Returns:
        ``ts``, strictly increasing, ``snapshot_row`` i32 (position in its partition), ``from_previous`` bool, and the columns asked for.

    Raises:
        QualityError: E491 if two snapshots of the category have one time.
        LakeError: E505 if a file is damaged.
    """
    from ..lake.contracts import GEX_SNAPSHOTS

    names = ["ts", "category", *columns]
    frames = [GEX_SNAPSHOTS.empty().select(names).with_columns(_positions(previous=False))]
    for one in stored:
        if one.is_there and one.rows:
            frame = lake.read(SNAPSHOTS, one.symbol, one.trade_date, columns=names)
            frames.append(frame.select(names).with_columns(_positions(previous=one.is_previous)))
    chosen = [frame.filter(pl.col("category").cast(pl.String) == category).drop("category") for frame in frames]
    snapshots = ordered_snapshots(pl.concat(chosen), repair(stored))
    return snapshots.filter(pl.col("ts").to_physical() >= from_us).select("ts", SNAPSHOT_ROW, FROM_PREVIOUS, *columns)


def repair(stored: Sequence[Stored]) -> str:
    """Return the command that builds stored partitions of one dataset again; they are named from the first to the last."""
    first, last = stored[0], stored[-1]
    return command("tp", "backfill", last.key, "--from", first.trade_date, "--to", last.trade_date, "--force")


def ordered_snapshots(snapshots: pl.DataFrame, remedy: str) -> pl.DataFrame:
    """Return snapshots by time, whatever their order was.

    Args:
        snapshots: any columns beside ``ts`` datetime[us, UTC].
        remedy: command that makes them anew, as ``repair`` returned it.

    Raises:
        QualityError: E491 if the column ``ts`` is missing, of another type or null, or two snapshots have one time.
    """
    if snapshots.schema.get("ts") != pl.Datetime("us", "UTC"):
        kind = snapshots.schema.get("ts")
        raise _unusable(f"the snapshots have a ts of the type {kind}, expected datetime[us, UTC]", remedy)
    if snapshots["ts"].null_count():
        raise _unusable(f"{snapshots['ts'].null_count()} snapshots have no time", remedy)
    if is_decreasing(times_us(snapshots)):
        snapshots = snapshots.sort("ts")
    times = times_us(snapshots)
    twice = times[1:] == times[:-1]
    if twice.any():
        first = snapshots["ts"][int(twice.argmax())]
        raise _unusable(f"{int(twice.sum())} snapshots have the time of another one, first {first}", remedy)
    return snapshots


def times_us(frame: pl.DataFrame, name: str = "ts") -> Ints:
    """Return a column of times as epoch microseconds UTC."""
    times: Ints = frame[name].to_physical().to_numpy()
    return times


def open_instant_us(session: Session) -> int:
    """Return when a session opens; the begin of its window on a closed date."""
    return us_of(session.opens_at or session.window_start)


def _positions(*, previous: bool) -> tuple[pl.Expr, pl.Expr]:
    return pl.int_range(pl.len(), dtype=pl.Int32).alias(SNAPSHOT_ROW), pl.lit(previous).alias(FROM_PREVIOUS)


def _unusable(what: str, remedy: str) -> QualityError:
    return QualityError(
        "E491",
        what,
        "which snapshot a row shows would depend on the order of the file; nothing was written",
        remedy,
    )
