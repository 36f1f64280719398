"""Synthetic history files of the gamma feed.

Belongs here: a seeded ladder that moves with a price path, and its files in the vendor's form, plain or gzip. Does not belong here: the
price path of the demo's market (``market.py``).

JSON of the vendor's form has no place for a label, and an additional key would no longer be that form. So a text file that says what they
are is written beside the files; whoever reads the folder marks everything made from it as synthetic.

Exposure at a strike is a function of time and spot in closed form (a wave per strike on a profile around spot), so the earlier levels that
the vendor sends with each row are exactly what the file showed at that time, and any snapshot can be made alone.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec
import numpy as np

from ..files import replace_file
from ..settings import SYNTHETIC_LABEL

if TYPE_CHECKING:
    from ..instruments import Contract
    from ..sessions import Session
    from .market import SimulatedMarket

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

GEX_SIDECAR: Final = "SYNTHETIC.txt"
"""Name of the file that labels a folder of synthetic history files."""

_LAGS_S: Final = (0, 60, 300, 600, 900, 1800)
_BLOCK: Final = 256
_PERIOD_S: Final = (400.0, 2_400.0)  # exposure at a strike comes and goes within minutes
_PROFILE: Final = 200.0  # the vendor's example has ladder values within 250
_WAVE_FRAC: Final = 0.35
_WIDTH_STEPS: Final = 12.0  # distance from spot at which exposure is largest, in strikes
_SUM_SCALE: Final = 1_000.0
_DAY_MOVE_FRAC: Final = 0.006
_DAYS_TO_EXPIRY: Final = {"gex_full": (0, 1), "gex_zero": (0, 1), "gex_one": (1, 2)}
_OPEN_INTEREST_FRAC: Final = {"gex_full": 1.0, "gex_zero": 0.4, "gex_one": 0.2}


@dataclass(frozen=True, slots=True)
class GexFeedOptions:
    """What a synthetic history file looks like.

    Attributes:
        cadence_s: seconds between snapshots.
        strikes: rows of the ladder.
        grid_step: points between strikes of the index.
        basis_points: future minus index at the open, for a series mapped to a future; 0.0 for an index.
        basis_drift_points: how far the basis moves from open to close.
        start_price: spot at the open where no path is given, points.
        seed: same seed, same file.
    """

    cadence_s: int = 1
    strikes: int = 99
    grid_step: float = 10.0
    basis_points: float = 0.0
    basis_drift_points: float = 0.0
    start_price: float = 20_600.0
    seed: int = 20_250_317


NQ_NDX_OPTIONS: Final = GexFeedOptions(basis_points=107.21, basis_drift_points=-2.4)
"""A series mapped to the Nasdaq-100 future: strikes carry the basis, which drifts through the day."""


def gex_file_name(trade_date: date, ticker: str, category: str, *, is_gzip: bool = False) -> str:
    """Return the vendor's name of a history file."""
    return f"{trade_date.isoformat()}_{ticker}_classic_{category}.json{'.gz' if is_gzip else ''}"


def gex_snapshots(
    session: Session,
    ticker: str,
    category: str = "gex_full",
    options: GexFeedOptions | None = None,
    *,
    spot_per_second: FloatArray | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the snapshots of the trading hours of one day, keys and shapes as the vendor's.

    Args:
        session: an open day of a calendar of New York days.
        ticker: the vendor's series.
        category: sets days to expiry and names the random stream.
        options: sizes; default ``GexFeedOptions()``.
        spot_per_second: float64, points, one per second of trading hours, e.g. of a simulated future; None for a path of its own.

    Raises:
        ValueError: the session is closed, or the path is too short.
    """
    feed = _Feed(session, ticker, category, options or GexFeedOptions(), spot_per_second)
    for start in range(0, len(feed.offsets_s), _BLOCK):
        yield from feed.snapshots(feed.offsets_s[start : start + _BLOCK])


def write_gex_history(path: Path, snapshots: Iterable[Mapping[str, Any]], *, is_gzip: bool | None = None) -> int:
    """Write a history file and, beside it, the label that says that it is synthetic; return the number of snapshots.

    The same snapshots give the same bytes.

    Args:
        path: final name; its folder is created.
        snapshots: elements of the array; any JSON values.
        is_gzip: True for gzip bytes; None to follow the name.

    Raises:
        OSError: the disk refuses; an older file stays as it was.
    """
    packed = path.name.endswith(".gz") if is_gzip is None else is_gzip
    written = 0

    def write(file: BinaryIO) -> None:
        nonlocal written
        if packed:
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as zipped:
                written = _write_array(zipped, snapshots)
        else:
            written = _write_array(file, snapshots)

    label = path.parent / GEX_SIDECAR
    if not label.is_file():
        replace_file(label, lambda file: file.write(f"{SYNTHETIC_LABEL}\n".encode()))
    replace_file(path, write)
    return written


def write_gex_day(
    directory: Path,
    session: Session,
    ticker: str,
    categories: Sequence[str] = ("gex_full", "gex_one", "gex_zero"),
    options: GexFeedOptions | None = None,
    *,
    spot_per_second: FloatArray | None = None,
    is_gzip: bool = True,
) -> tuple[Path, ...]:
    """Write the history files of one day, one per category, and return their paths.

    Args:
        directory: created if needed.
        session: an open day of a calendar of New York days.
        ticker: the vendor's series.
        categories: which files.
        options: sizes.
        spot_per_second: see :func:`gex_snapshots`.
        is_gzip: pack the files.

    Raises:
        ValueError: the session is closed, or the path is too short.
        OSError: the disk refuses.
    """
    paths = []
    for category in categories:
        path = directory / gex_file_name(session.trade_date, ticker, category, is_gzip=is_gzip)
        write_gex_history(path, gex_snapshots(session, ticker, category, options, spot_per_second=spot_per_second))
        paths.append(path)
    return tuple(paths)


def spots_along(
    market: SimulatedMarket, contract: Contract, market_session: Session, feed_session: Session
) -> FloatArray:
    """Return the price of a simulated future in each second of the feed's trading hours, points.

    Args:
        market: the future's market.
        contract: the front contract.
        market_session: the future's session of the day; it covers the feed's trading hours.
        feed_session: the feed's session of the day.

    Raises:
        ValueError: a session is closed, or the future does not trade through the feed's hours.
    """
    edges = (market_session.opens_at, feed_session.opens_at, feed_session.closes_at)
    opens, first, end = (None if edge is None else int(edge.timestamp()) for edge in edges)
    if opens is None or first is None or end is None:
        raise ValueError(f"Expected two open sessions, was {market_session} and {feed_session}")
    path = market.path_ticks(market_session) + market.calendar_spread_ticks(contract)
    spots: FloatArray = path[max(first - opens, 0) : end - opens] * market.instrument.tick_size
    if first < opens or len(spots) < end - first:
        raise ValueError(f"Expected trading through {first} to {end}, was {opens} and {len(path)} seconds")
    return spots


class _Feed:
    """The exposure of one category on one day."""

    def __init__(
        self, session: Session, ticker: str, category: str, options: GexFeedOptions, spot: FloatArray | None
    ) -> None:
        if session.opens_at is None or session.closes_at is None:
            raise ValueError(f"Expected an open session, was {session.trade_date} ({session.reason})")
        self._first_s = int(session.opens_at.timestamp())
        seconds = int(session.closes_at.timestamp()) - self._first_s
        self._options, self._ticker, self._category = options, ticker, category
        day = [options.seed, session.trade_date.toordinal(), zlib.crc32(ticker.encode())]
        # One path for all categories of a day.
        self._spot = _own_path(np.random.default_rng(day), options, seconds) if spot is None else spot
        if len(self._spot) < seconds:
            raise ValueError(f"Expected a spot for each of {seconds} seconds, was {len(self._spot)}")
        self._seconds = seconds
        self.offsets_s: IntArray = np.arange(0, seconds, options.cadence_s)
        random = np.random.default_rng([*day, zlib.crc32(category.encode())])
        # The ladder is centred where the day begins and wide enough for its moves.
        index_level = float(self._spot[0]) - options.basis_points
        middle = round(index_level / options.grid_step)
        steps = np.arange(options.strikes) - options.strikes // 2
        self._grid: FloatArray = (middle + steps).astype(np.float64) * options.grid_step
        self._period: FloatArray = random.uniform(*_PERIOD_S, (2, options.strikes))
        self._phase: FloatArray = random.uniform(0.0, 2.0 * np.pi, (2, options.strikes))
        self._interest: FloatArray = random.gamma(2.0, 0.5, options.strikes) * _OPEN_INTEREST_FRAC.get(category, 1.0)
        self._skew = float(random.uniform(-0.2, 0.2))

    def snapshots(self, offsets_s: IntArray) -> Iterator[dict[str, Any]]:
        """Yield the snapshots at some seconds after the open."""
        basis = self._basis(offsets_s)
        spot = np.round(self._spot[offsets_s], 2)
        strikes = np.round(self._grid + basis[:, None], 2)
        levels = [self._by_volume(offsets_s - lag) for lag in _LAGS_S]
        now = levels[0]
        interest = np.round(self._interest * self._profile(offsets_s), 2)
        total, total_interest = now.sum(axis=1) * _SUM_SCALE, interest.sum(axis=1) * _SUM_SCALE
        zero = self._zero_gamma(now, strikes)
        skew = self._skew + 0.05 * np.sin(offsets_s / 1_700.0)
        changes = [(now if lag == 0 else now - level) * _SUM_SCALE for lag, level in zip(_LAGS_S, levels, strict=True)]
        largest = [np.abs(change).argmax(axis=1) for change in changes]
        days = _DAYS_TO_EXPIRY.get(self._category, (0, 1))
        ladders = np.stack([strikes, now, interest, *levels[1:]], axis=2).tolist()
        majors = [side.argmax(axis=1) for side in (now, interest, -now, -interest)]
        for row, offset in enumerate(offsets_s.tolist()):
            strike = strikes[row]
            yield {
                "timestamp": self._first_s + offset,
                "ticker": self._ticker,
                "min_dte": days[0],
                "sec_min_dte": days[1],
                "spot": float(spot[row]),
                "zero_gamma": round(float(zero[row]), 2),
                "major_pos_vol": float(strike[majors[0][row]]),
                "major_pos_oi": float(strike[majors[1][row]]),
                "major_neg_vol": float(strike[majors[2][row]]),
                "major_neg_oi": float(strike[majors[3][row]]),
                "strikes": [[*values[:3], values[3:]] for values in ladders[row]],
                "sum_gex_vol": round(float(total[row]), 3),
                "sum_gex_oi": round(float(total_interest[row]), 3),
                "delta_risk_reversal": round(float(skew[row]), 4),
                "max_priors": [
                    [float(strike[at[row]]), round(float(change[row, at[row]]), 3)]
                    for change, at in zip(changes, largest, strict=True)
                ],
            }

    def _basis(self, offsets_s: IntArray) -> FloatArray:
        done = offsets_s.astype(np.float64) / max(self._seconds, 1)
        basis: FloatArray = self._options.basis_points + self._options.basis_drift_points * done
        return basis

    def _profile(self, offsets_s: IntArray) -> FloatArray:
        """Return exposure by distance from spot: negative below, positive above."""
        at = np.clip(offsets_s, 0, self._seconds - 1)
        distance = self._grid - (self._spot[at] - self._basis(at))[:, None]
        scaled = distance / (self._options.grid_step * _WIDTH_STEPS)
        profile: FloatArray = _PROFILE * (scaled + self._skew) * np.exp(0.5 - 0.5 * scaled * scaled)
        return profile

    def _by_volume(self, offsets_s: IntArray) -> FloatArray:
        """Return GEX by volume, rounded as sent; zero before the open, when there was no volume."""
        angle = 2.0 * np.pi * offsets_s[:, None, None] / self._period + self._phase
        wave = np.sin(angle).sum(axis=1)
        # Volume grows through the day.
        grown = np.sqrt((offsets_s[:, None] + 60.0).clip(1.0) / self._seconds)
        level = self._profile(offsets_s) * grown * (1.0 + _WAVE_FRAC * wave)
        sent: FloatArray = np.where(offsets_s[:, None] < 0, 0.0, np.round(level, 2))
        return sent

    def _zero_gamma(self, now: FloatArray, strikes: FloatArray) -> FloatArray:
        """Return where exposure summed up from the lowest strike is least: below it more is short, above it more is long."""
        summed = np.cumsum(now, axis=1)
        at = summed.argmin(axis=1)
        rows = np.arange(len(now))
        following = np.minimum(at + 1, now.shape[1] - 1)
        here, there = np.abs(now[rows, at]), np.abs(now[rows, following])
        share = here / np.where(here + there > 0, here + there, 1.0)
        level: FloatArray = strikes[rows, at] + share * (strikes[rows, following] - strikes[rows, at])
        return level


def _own_path(random: np.random.Generator, options: GexFeedOptions, seconds: int) -> FloatArray:
    """Return a random walk of spot, points per second."""
    steps = random.standard_normal(seconds) * options.start_price * _DAY_MOVE_FRAC / np.sqrt(max(seconds, 1))
    path: FloatArray = options.start_price + options.basis_points + np.cumsum(steps)
    return path


def _write_array(file: BinaryIO | gzip.GzipFile, snapshots: Iterable[Mapping[str, Any]]) -> int:
    encoder, written = msgspec.json.Encoder(), 0
    file.write(b"[")
    for snapshot in snapshots:
        if written:
            file.write(b",")
        file.write(encoder.encode(snapshot))
        written += 1
    file.write(b"]")
    return written
