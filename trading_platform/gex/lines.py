"""The contract lines of one chain snapshot as arrays, without those that have settled.

Belongs here: which lines of a chain frame count, their canonical order, the clock, counters of what was left out. Does not belong here:
decoding of files and what is odd in a line (``trading_platform.chains``), prices and sums. The order of lines is canonical, so the order
of rows in the source changes no digit of any sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from ..chains.counts import count_odd
from ..errors import QualityError, command
from ..instants import us_of
from ..options import years_act365

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EASTERN: Final = ZoneInfo("America/New_York")
CLOCK: Final = "act365"
_NUMBERS: Final = (
    "strike",
    "bid",
    "ask",
    "iv",
    "volume",
    "open_interest",
    "vendor_delta",
    "vendor_gamma",
    "multiplier",
)
NEEDED_COLUMNS: Final = (
    *_NUMBERS,
    "observed_at",
    "root",
    "option_symbol",
    "expiry",
    "settlement_at",
    "settle_style",
    "right",
    "open_interest_date",
    "spot",
)
"""Columns of a chain that its levels are made from."""
# Name in the datasets -> name of the common rule in ``chains.counts``.
_ODD: Final[Mapping[str, str]] = {
    "iv_zero_n": "iv_zero_with_oi",
    "gamma_zero_n": "gamma_zero_with_oi",
    "crossed_n": "crossed",
    "bid_zero_n": "bid_zero",
    "open_interest_unknown_n": "open_interest_unknown",
    "volume_unknown_n": "volume_unknown",
}
_COLUMNS: Final = 'tp sql "describe chain"'
# Moments, spots and last settlements of the stored snapshots.
_SNAPSHOTS: Final = (
    'tp sql "select symbol, observed_at, source, spot, max(settlement_at) from chain group by all order by all"'
)


@dataclass(frozen=True, slots=True)
class Expiry:
    """One expiry of a chain: AM and PM series of a date are two.

    Attributes:
        expiry: date in the contract.
        settle_style: ``"AM"`` or ``"PM"``.
        settlement_at: instant of settlement, UTC.
        dte_days: calendar days from the Eastern date of the snapshot.
        tau_years: time to settlement, ACT/365, at least 60 s.
    """

    expiry: date
    settle_style: str
    settlement_at: datetime
    dte_days: int
    tau_years: float


@dataclass(frozen=True, slots=True)
class ChainLines:
    """The live lines of one snapshot, sorted by settlement, style, strike, right and symbol.

    Attributes:
        observed_at: when the chain was taken, UTC.
        asof: the moment it is priced for, UTC; ``observed_at`` unless asked otherwise.
        spot: price of the underlying.
        expiries: the live expiries, in order of settlement.
        group: i64 per line, position in ``expiries``.
        is_call: bool per line.
        strike: f64 per line.
        bid: f64 per line, as are the following ones; NaN is unknown.
        ask: like ``bid``.
        iv: volatility of the source, per square root of a year; NaN and 0 are unknown.
        volume: contracts traded this day.
        open_interest: contracts.
        vendor_delta: delta of the source.
        vendor_gamma: gamma of the source.
        multiplier: USD per point and contract.
        rows_in: rows of a quote table that holds a call and its put side by side: distinct root, expiry and strike.
        rows_live: the same without settled series.
        lines_in: contract lines in the frame.
        lines_settled: lines whose series had settled.
        lines_duplicated: repeated lines of a contract; the first one counts.
        odd: live lines with something odd, by name: iv_zero_n, gamma_zero_n, crossed_n, bid_zero_n, open_interest_unknown_n and
            volume_unknown_n as ``chains.counts`` defines them, duplicated_n.
        open_interest_date: the session after which open interest was counted; None if the lines do not say or do not agree.
        roots: roots of the live lines, sorted, e.g. ``("SPX", "SPXW")``.
    """

    observed_at: datetime
    asof: datetime
    spot: float
    expiries: tuple[Expiry, ...]
    group: Ints
    is_call: Bools
    strike: Floats
    bid: Floats
    ask: Floats
    iv: Floats
    volume: Floats
    open_interest: Floats
    vendor_delta: Floats
    vendor_gamma: Floats
    multiplier: Floats
    rows_in: int
    rows_live: int
    lines_in: int
    lines_settled: int
    lines_duplicated: int
    odd: Mapping[str, int]
    open_interest_date: date | None
    roots: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of live lines."""
        return len(self.strike)

    @property
    def sign(self) -> Floats:
        """Return the naive dealer sign: +1 for calls, -1 for puts."""
        return np.where(self.is_call, 1.0, -1.0)

    @property
    def tau(self) -> Floats:
        """Return years to settlement per line."""
        return np.array([expiry.tau_years for expiry in self.expiries], np.float64)[self.group]

    @property
    def has_interest(self) -> Bools:
        """Tell which lines have open interest."""
        return self.open_interest > 0


def lines_of(
    chain: pl.DataFrame, *, asof: datetime | None = None, name: str = "chain", next_command: str | None = None
) -> ChainLines:
    """Return the live lines of one snapshot.

    Args:
        chain: one row per contract line of one snapshot, columns of the dataset ``chain``: observed_at [UTC], root, option_symbol str,
            expiry date, settlement_at [UTC], settle_style "AM"/"PM", right "C"/"P", strike, bid, ask, iv, volume, open_interest,
            open_interest_date date, vendor_delta, vendor_gamma, spot, multiplier. Null is unknown.
        asof: price the chain for this moment (with zone) instead of ``observed_at``.
        name: what the chain is, for messages.
        next_command: what helps with a chain that cannot be used, for whoever knows where it comes from.

    Returns:
        Lines with settlement after ``asof``. Time to settlement is calendar time on the Eastern clock: a day on which clocks change
        counts as one day, so ACT/365 counts days as a calendar does.

    Raises:
        QualityError: E486 if columns are missing, E485 if there are several snapshots, E481 without one spot above zero, E482 if no line is
            alive, E489 if ``asof`` lies outside the calendar.
    """
    observed_at, spot = _moment_and_spot(chain, name, next_command)
    asof = observed_at if asof is None else _in_calendar(asof, name, next_command)
    table = chain.with_row_index("_row").sort(
        "settlement_at", "settle_style", "strike", "right", "option_symbol", "_row"
    )
    live = table.filter(pl.col("settlement_at") > asof)
    kept = live.filter(_first_of_contract(live))
    if kept.height == 0:
        what = f"{name} has no series that settles after {asof:%Y-%m-%d %H:%M} UTC"
        raise _refusal("E482", what, "all have settled", next_command or _SNAPSHOTS)
    group, expiries = _expiries(kept, asof)
    numbers = {column: _floats(kept[column]) for column in _NUMBERS}
    return ChainLines(
        observed_at=observed_at,
        asof=asof,
        spot=spot,
        expiries=expiries,
        group=group,
        is_call=(kept["right"] == "C").to_numpy(),
        rows_in=_pairs(table),
        rows_live=_pairs(kept),
        lines_in=chain.height,
        lines_settled=chain.height - live.height,
        lines_duplicated=live.height - kept.height,
        odd=_odd(kept, live.height - kept.height),
        open_interest_date=_one_date(kept["open_interest_date"]),
        roots=tuple(sorted(map(str, kept["root"].unique()))),
        **numbers,
    )


def _moment_and_spot(chain: pl.DataFrame, name: str, next_command: str | None) -> tuple[datetime, float]:
    """Return time and price of the underlying of a snapshot; refuse a frame that is not one usable snapshot."""
    missing = [column for column in NEEDED_COLUMNS if column not in chain.columns]
    if missing:
        what = f"{name} has no column {', '.join(missing)}"
        raise _refusal("E486", what, "levels need every column of a chain", _COLUMNS)
    if chain.height == 0:
        raise _refusal(
            "E482", f"{name} has no contract lines", "there is nothing to compute", next_command or _SNAPSHOTS
        )
    moments, spots = chain["observed_at"].unique(), chain["spot"].unique()
    if len(moments) != 1 or moments[0] is None:
        what = f"{name} holds {len(moments)} moments of observation, expected one"
        raise _refusal("E485", what, "levels describe one snapshot", next_command or _SNAPSHOTS)
    if len(spots) != 1 or spots[0] is None or not 0 < spots[0] < np.inf:
        shown = ", ".join(map(str, spots.head(3)))
        what = f"{name} has no single spot above zero ({shown})"
        raise _refusal("E481", what, "every exposure is a multiple of it", next_command or _SNAPSHOTS)
    return moments[0], float(spots[0])


def _in_calendar(asof: datetime, name: str, next_command: str | None) -> datetime:
    """Return the moment in UTC; refuse one that has no date in UTC or in New York: years go from 1 to 9999."""
    try:
        asof.astimezone(EASTERN)
        return asof.astimezone(UTC)
    except OverflowError as error:
        what = f"{name} cannot be priced for {asof.isoformat()}"
        why = "in New York or in UTC that moment lies outside the years 1 to 9999"
        raise _refusal("E489", what, why, next_command or command("tp", "gex", "chain", "--help")) from error


def _first_of_contract(live: pl.DataFrame) -> pl.Series:
    """Tell which rows are the first of their contract; rows of a contract lie side by side."""
    symbols = live["option_symbol"]
    return (symbols != symbols.shift(1)).fill_null(value=True)


def _pairs(table: pl.DataFrame) -> int:
    """Count distinct root, expiry and strike; AM and PM series have roots of their own."""
    return int(table.select(pl.struct("root", "expiry", "strike").n_unique()).item())


def _expiries(kept: pl.DataFrame, asof: datetime) -> tuple[Ints, tuple[Expiry, ...]]:
    """Return the number of each line's expiry and the expiries; lines are sorted by settlement and style."""
    keys = kept.select("settlement_at", "settle_style", "expiry")
    runs = keys.with_columns(group=pl.struct("settlement_at", "settle_style", "expiry").rle_id())
    unique = runs.unique("group", keep="first", maintain_order=True)
    today = asof.astimezone(EASTERN).date()
    settlements = [moment.astimezone(UTC) for moment in unique["settlement_at"]]
    tau = years_act365(_eastern_us(asof), np.array([_eastern_us(moment) for moment in settlements], np.int64))
    # Clocks that go back at night could put a settlement before the snapshot; the shortest time is that of the room ``options``.
    tau = np.where(np.isnan(tau), years_act365(0, 1), tau)
    expiries = tuple(
        Expiry(expiry, style, moment, (expiry - today).days, float(years))
        for expiry, style, moment, years in zip(unique["expiry"], unique["settle_style"], settlements, tau, strict=True)
    )
    return runs["group"].to_numpy().astype(np.int64), expiries


def _eastern_us(moment: datetime) -> int:
    """Return the reading of an Eastern clock as if it were UTC, in epoch microseconds."""
    return us_of(moment.astimezone(EASTERN).replace(tzinfo=UTC))


def _floats(values: pl.Series) -> Floats:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _odd(kept: pl.DataFrame, duplicated: int) -> dict[str, int]:
    counted = count_odd(kept)
    return {**{name: counted[rule] for name, rule in _ODD.items()}, "duplicated_n": duplicated}


def _one_date(dates: pl.Series) -> date | None:
    """Return the date that all values which are known agree on."""
    known = dates.drop_nulls().unique()
    return known[0] if len(known) == 1 else None


def _refusal(code: str, what: str, why: str, next_command: str) -> QualityError:
    return QualityError(code, what, f"{why}; nothing was written", next_command)
