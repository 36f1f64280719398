"""Synthetic quote tables as Cboe writes them, in the three dialects of its page.

Belongs here: a seeded option market of one underlying and the layout of the file. Does not belong here: reading
(``trading_platform.chains``). Every table says ``(synthetic)`` in the name of the underlying, where people and readers see it.

The market: forwards from a flat rate and yield, a smile that leans to the puts and flattens with time, open interest that gathers at round
strikes, volume near the spot, an opening and a closing series on third Fridays of indices. After the close the series of the day stay in
the table with a rest of gamma, as they do at Cboe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from ..options import black76_greeks, black76_price
from ..sessions import Session, TradingCalendar, calendar_for
from .files import write_whole

CHAIN_SYNTHETIC_MARK: Final = "(synthetic)"
CHAIN_COLUMNS: Final = (
    "option_symbol", "root", "expiry", "right", "strike", "last", "bid", "ask", "volume", "iv", "vendor_delta", "vendor_gamma",
    "open_interest",
)  # fmt: skip

_NEW_YORK = ZoneInfo("America/New_York")
_HEADER_ROW = (
    "Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,"
    "Strike,Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest"
)
_BLOCK = ("last", "net", "bid", "ask", "volume", "iv", "vendor_delta", "vendor_gamma", "open_interest")
_MONTHS = (
    "janeiro", "fevereiro", "março", "abril", "maio", "junho",
    "julho", "agosto", "setembro", "outubro", "novembro", "dezembro",
)  # fmt: skip
_ENGLISH_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_RATE, _YIELD = 0.043, 0.012
_YEAR_S = 365 * 86_400
_DEAD_S = 1_800.0  # settled series keep the gamma of their last half hour

Floats = npt.NDArray[np.float64]


class ChainDialect(StrEnum):
    """How the language of the browser writes the date above the table."""

    ENGLISH_COMMA = "english_comma"
    ENGLISH_AT = "english_at"
    PORTUGUESE = "portuguese"


@dataclass(frozen=True, slots=True)
class SimulatedUnderlying:
    """An underlying with options.

    Attributes:
        symbol: such as ``SPX``.
        name: as the table prints it, without the mark.
        root: root of its daily series, which settle to the close.
        opening_root: root of its monthly series, which settle to the opening; None if all settle to the close.
        strike_step: distance of strikes near the spot, points.
        volatility: implied volatility at the forward, per year.
    """

    symbol: str
    name: str
    root: str
    opening_root: str | None
    strike_step: float
    volatility: float = 0.15


SIMULATED_UNDERLYINGS: Final = {
    one.symbol: one
    for one in (
        SimulatedUnderlying("SPX", "S&P 500 INDEX", "SPXW", "SPX", 5.0),
        SimulatedUnderlying("NDX", "NASDAQ 100 INDEX", "NDXP", "NDX", 25.0, 0.20),
        SimulatedUnderlying("SPY", "SPDR S&P 500 ETF Trust", "SPY", None, 1.0),
    )
}


def simulate_chain(
    underlying: SimulatedUnderlying,
    spot: float,
    observed_at: datetime,
    *,
    seed: int,
    daily_expiries: int = 6,
    monthly_expiries: int = 3,
    strikes: int = 80,
    calendar: TradingCalendar | None = None,
) -> pl.DataFrame:
    """Make the contracts of one snapshot.

    Args:
        underlying: what the options are on.
        spot: its price, points.
        observed_at: aware instant of the snapshot.
        seed: of open interest and volume: the same in all snapshots of a session, where the volume only grows.
        daily_expiries: trading days with a series, from the session of the snapshot on.
        monthly_expiries: third Fridays with a series.
        strikes: strikes per series.
        calendar: of the underlying; default NYSE.

    Returns:
        One row per contract, sorted by option symbol; columns ``CHAIN_COLUMNS``.
    """
    calendar = calendar_for("NYSE") if calendar is None else calendar
    local = observed_at.astimezone(_NEW_YORK)
    market_date = calendar.opened(observed_at)
    session = calendar.session(market_date)
    traded = _elapsed(session, observed_at)
    first = market_date if local.date() == market_date else calendar.next_open(market_date)
    parts = []
    for expiry, root, opening in _series(underlying, first, daily_expiries, monthly_expiries, calendar):
        settles = _settles(expiry, opening, calendar)
        generator = np.random.default_rng([seed, market_date.toordinal(), expiry.toordinal(), len(root)])
        parts.append(
            _contracts(
                underlying,
                root,
                expiry,
                (expiry - market_date).days,
                (settles - observed_at).total_seconds(),
                spot,
                strikes,
                traded,
                generator,
            )
        )
    return pl.concat(parts).sort("option_symbol")


def quote_table(
    contracts: pl.DataFrame,
    name: str,
    spot: float,
    observed_at: datetime,
    dialect: ChainDialect,
    *,
    change: float = 0.0,
) -> bytes:
    """Lay contracts out as a quote table.

    Args:
        contracts: columns ``CHAIN_COLUMNS``; null is a blank cell. A contract without its other side leaves that block blank.
        name: of the underlying, with the mark ``(synthetic)``.
        spot: price of the underlying, points, four decimals.
        observed_at: aware instant; the table shows its minute in New York.
        dialect: of the date.
        change: of the underlying since the last session, points.

    Returns:
        The file.

    Raises:
        ValueError: the name has no mark.
    """
    if CHAIN_SYNTHETIC_MARK not in name:
        raise ValueError(f"Expected a name with {CHAIN_SYNTHETIC_MARK}, was {name!r}")
    lines = _lines(contracts)
    bid, ask = _plain(round(spot - 0.5, 4)), _plain(round(spot + 0.5, 4))
    head = [
        "",
        f"{name},Last: {_plain(spot)},Change:  {_plain(round(change, 4))}",
        f"{date_text(observed_at, dialect)},Bid: {bid},Ask: {ask},Size: 1*1,Volume: 0",
        _HEADER_ROW,
    ]
    return ("\n".join([*head, *lines]) + "\n").encode()


def write_chain_file(
    path: Path,
    contracts: pl.DataFrame,
    underlying: SimulatedUnderlying,
    spot: float,
    observed_at: datetime,
    dialect: ChainDialect = ChainDialect.ENGLISH_AT,
) -> Path:
    """Write a quote table; a file that has these bytes already is left alone.

    Raises:
        OSError: the disk refuses; an older file stays as it was.
    """
    name = f"{underlying.name} {CHAIN_SYNTHETIC_MARK}"
    content = quote_table(contracts, name, spot, observed_at, dialect)
    write_whole(path, content, (), keep_identical=True)
    return path


def write_demo_chains(
    folder: Path,
    trade_dates: Sequence[date],
    *,
    symbol: str = "SPX",
    seed: int = 7,
    start: float = 5_850.0,
    times: Sequence[time] = (time(10, 15), time(14, 30), time(16, 30)),
) -> list[Path]:
    """Write snapshots of some trade dates, their dialects in turn.

    Args:
        folder: where the files go; made if absent.
        trade_dates: open dates.
        symbol: key of ``SIMULATED_UNDERLYINGS``.
        seed: of everything random.
        start: price of the underlying before the first date, points.
        times: wall clock times of New York.

    Returns:
        The files, by time.

    Raises:
        OSError: the disk refuses.
    """
    underlying = SIMULATED_UNDERLYINGS[symbol]
    generator = np.random.default_rng(seed)
    dialects = tuple(ChainDialect)
    spot = start
    files: list[Path] = []
    for day in trade_dates:
        for at in times:
            spot = round(spot * math.exp(generator.normal(0.0, 0.15 / math.sqrt(252 * len(times)))), 4)
            observed_at = datetime.combine(day, at, _NEW_YORK).astimezone(UTC)
            contracts = simulate_chain(underlying, spot, observed_at, seed=seed)
            path = folder / f"{symbol.lower()}_synthetic_{day.isoformat()}_{at:%H%M}.csv"
            files.append(write_chain_file(path, contracts, underlying, spot, observed_at, dialects[len(files) % 3]))
    return files


def date_text(observed_at: datetime, dialect: ChainDialect) -> str:
    """Return the cell with the date, quoted where it holds a comma."""
    local = observed_at.astimezone(_NEW_YORK)
    summer = bool(local.dst())
    if dialect is ChainDialect.PORTUGUESE:
        return (
            f"Date: {local.day} de {_MONTHS[local.month - 1]} de {local.year} às {local:%H:%M} GMT-{4 if summer else 5}"
        )
    clock = f"{local.hour % 12 or 12}:{local:%M} {'PM' if local.hour >= 12 else 'AM'} {'EDT' if summer else 'EST'}"
    month = _ENGLISH_MONTHS[local.month - 1]
    if dialect is ChainDialect.ENGLISH_COMMA:
        return f'"Date: {month} {local.day} {local.year}, {clock}"'
    return f'"Date: {month} {local.day}, {local.year} at {clock}"'


def _series(
    underlying: SimulatedUnderlying, first: date, daily: int, monthly: int, calendar: TradingCalendar
) -> list[tuple[date, str, bool]]:
    """Return expiry, root and whether it settles to the opening, of all series."""
    days = [first]
    while len(days) < daily:
        days.append(calendar.next_open(days[-1]))
    found = {(day, underlying.root): False for day in days}
    month = first.replace(day=1)
    for _ in range(monthly):
        third_friday = month + timedelta(days=(4 - month.weekday()) % 7 + 14)
        month = (month + timedelta(days=32)).replace(day=1)
        if not calendar.session(third_friday).is_open:
            third_friday = calendar.previous_open(third_friday)
        if third_friday < first:
            continue
        found[third_friday, underlying.root] = False
        if underlying.opening_root is not None:
            found[third_friday, underlying.opening_root] = True
    return sorted((day, root, opening) for (day, root), opening in found.items())


def _settles(expiry: date, opening: bool, calendar: TradingCalendar) -> datetime:  # noqa: FBT001
    session = calendar.session(expiry)
    at = session.opens_at if opening else session.closes_at
    if at is None:
        raise ValueError(f"Expected an open date, was {expiry}")
    return at


def _elapsed(session: Session, observed_at: datetime) -> float:
    """Return how much of a session has passed, from 0 to 1."""
    if session.opens_at is None or session.closes_at is None:
        raise ValueError(f"Expected an open date, was {session.trade_date}")
    return min(1.0, (observed_at - session.opens_at) / (session.closes_at - session.opens_at))


def _contracts(
    underlying: SimulatedUnderlying,
    root: str,
    expiry: date,
    days_left: int,
    seconds_left: float,
    spot: float,
    strikes: int,
    traded: float,
    generator: np.random.Generator,
) -> pl.DataFrame:
    """Return calls and puts of one series."""
    tau = max(seconds_left, _DEAD_S) / _YEAR_S
    forward, discount = spot * math.exp((_RATE - _YIELD) * tau), math.exp(-_RATE * tau)
    strike = _strikes(spot, underlying.strike_step, strikes)
    distance = np.log(strike / forward) / math.sqrt(tau + 0.02)
    sigma = np.clip(underlying.volatility * (1 - 0.35 * distance + 0.25 * distance**2), 0.03, 3.0)
    # Series of the next days hold less than monthly ones; far from the spot they have no quoted volatility.
    size = (
        min(1.0, 0.15 + 0.05 * days_left)
        * 2_000.0
        * np.exp(-0.5 * (np.log(strike / spot) / 0.05) ** 2)
        * _roundness(strike, underlying.strike_step)
    )
    frames = []
    for right in "CP":
        is_call = right == "C"
        value = black76_price(forward, strike, tau, sigma, discount, is_call)
        if seconds_left <= 0:
            value = np.maximum(strike - spot, 0.0) if not is_call else np.maximum(spot - strike, 0.0)
        greeks = black76_greeks(forward, strike, tau, sigma, discount, is_call)
        half = 0.02 + 0.01 * value
        open_interest = np.floor(size * generator.lognormal(0.0, 1.0, len(strike)))
        volume = np.floor(open_interest * generator.uniform(0.0, 0.5, len(strike)) * traded)
        # Nobody quotes a volatility for what is worth less than the smallest price.
        iv = np.where(value < 0.03, 0.0, np.round(sigma, 4))
        number = np.char.zfill(np.rint(strike * 1_000).astype(np.int64).astype(str), 8)
        frames.append(
            pl.DataFrame(
                {
                    "option_symbol": np.char.add(f"{root}{expiry:%y%m%d}{right}", number).tolist(),
                    "root": root,
                    "expiry": expiry,
                    "right": right,
                    "strike": strike,
                    "last": np.where(volume > 0, np.round(value, 2), 0.0),
                    "bid": np.floor(np.maximum(value - half, 0.0) * 100) / 100,
                    "ask": np.ceil((value + half) * 100) / 100,
                    "volume": volume.astype(np.int64),
                    "iv": iv,
                    "vendor_delta": np.round(greeks.delta, 4) + 0.0,  # no minus before zero
                    "vendor_gamma": np.round(greeks.gamma, 4),
                    "open_interest": open_interest.astype(np.int64),
                }
            ).select(CHAIN_COLUMNS)
        )
    return pl.concat(frames)


def _strikes(spot: float, step: float, count: int) -> Floats:
    """Return strikes around the spot: close together near it, four times as far apart in the outer half."""
    middle = round(spot / step)
    near = np.arange(-(count // 4), count // 4 + 1)
    far = np.arange(1, count // 4 + 1) * 4
    offsets = np.concatenate((near[0] - far[::-1], near, near[-1] + far))
    grid = (middle + offsets) * step
    return np.asarray(grid[grid > 0], np.float64)


def _roundness(strike: Floats, step: float) -> Floats:
    """Return how much more interest gathers at round strikes."""
    return np.where(strike % (step * 20) == 0, 8.0, np.where(strike % (step * 5) == 0, 3.0, 1.0))


def _lines(contracts: pl.DataFrame) -> list[str]:
    """Return the lines of the table: both sides of a root, expiry and strike."""
    text = contracts.with_columns(net=pl.lit(0.0)).select(
        "option_symbol", "root", "expiry", "right", "strike",
        *(_cell(name) for name in _BLOCK),
    )  # fmt: skip
    keys = ["expiry", "root", "strike"]
    sides = {
        right: text.filter(pl.col("right") == right).select(
            *keys, pl.concat_str(pl.col("option_symbol", *_BLOCK).fill_null(""), separator=",").alias(right)
        )
        for right in "CP"
    }
    blank = "," * len(_BLOCK)
    joined = sides["C"].join(sides["P"], on=keys, how="full", coalesce=True).sort(keys)
    return joined.select(
        pl.concat_str(
            pl.col("expiry").dt.strftime("%a %b %d %Y"),
            pl.col("C").fill_null(blank),
            pl.col("strike").map_elements(lambda strike: f"{strike:.2f}" if round(strike, 2) == strike else f"{strike:.3f}", pl.String),
            pl.col("P").fill_null(blank),
            separator=",",
        )
    ).to_series().to_list()  # fmt: skip


def _cell(name: str) -> pl.Expr:
    if name in ("volume", "open_interest"):
        return pl.col(name).cast(pl.String)
    return pl.col(name).round(4).cast(pl.String).str.strip_suffix(".0").alias(name)


def _plain(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")
