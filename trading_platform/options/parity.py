"""Forward and discount of each expiry from put-call parity, without a guess of rates or dividends.

Belongs here: the regression per expiry and settlement style, the rules by which it is accepted, the fallback to a neighbour. Does not
belong here: reading chains, telling which quotes are stale, prices (``pricing.py``).

Method: for strikes near the spot with both bids above zero, least squares of ``call_mid - put_mid = discount (forward - strike)`` by
strike: the slope is minus the discount. American options fulfil parity only as an inequality; their fits are as good as early exercise is
unlikely, and the caller flags them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import Bools, Flags, FloatLike, Floats, Ints, as_floats

STRIKE_BAND_FRAC: Final = 0.03
MIN_STRIKES: Final = 6
DISCOUNT_ABOVE: Final = 0.90
DISCOUNT_UP_TO: Final = 1.005
MAX_RMS_PER_SPREAD: Final = 0.5
# The slope of a series of a few days says little about a yearly rate; such a neighbour would hand its noise on.
MAX_RATE_ERROR: Final = 0.001


class ParityFlag(IntEnum):
    """Whether the regression of an expiry holds, or why not; stored as uint8."""

    OK = 0
    TOO_FEW_STRIKES = 1
    DISCOUNT_OUT_OF_RANGE = 2
    RESIDUALS_TOO_LARGE = 3
    SETTLED = 4


class ParitySource(IntEnum):
    """Where forward and discount of an expiry come from; stored as uint8."""

    OWN = 0
    """Both from its own quotes."""
    NEIGHBOUR_RATE = 1
    """The rate from the neighbour, the forward from its own quotes with that rate."""
    NEIGHBOUR_CARRY = 2
    """Rate and carry from the neighbour: the expiry has no usable pair of quotes."""
    NONE = 3
    """There is no forward: settled, or no expiry of the chain can be fitted."""


@dataclass(frozen=True, slots=True)
class ParityFit:
    """Forward and discount, one element per expiry group.

    Attributes:
        forward: float64, price of the underlying for settlement; NaN where ``source`` is NONE.
        discount: float64, price today of 1 at settlement; NaN where ``source`` is NONE.
        own_forward: float64, from the own regression, accepted or not; NaN without one.
        own_discount: float64, from the own regression, accepted or not; NaN without one.
        rms: float64, root mean square of the residuals of the own regression, in the unit of the prices; NaN without one.
        rate_error: float64, standard error of the yearly rate of the own regression; NaN without one.
        median_spread: float64, median of ask less bid over calls and puts of the strikes used, in the unit of the prices; NaN without one.
        n: int64, strikes with usable quotes of both sides.
        flag: uint8, a ``ParityFlag``.
        source: uint8, a ``ParitySource``.
        neighbour: int64, group whose rate was taken; -1 for none.
    """

    forward: Floats
    discount: Floats
    own_forward: Floats
    own_discount: Floats
    rms: Floats
    rate_error: Floats
    median_spread: Floats
    n: Ints
    flag: Flags
    source: Flags
    neighbour: Ints


class _Lines(NamedTuple):
    """Contract lines."""

    group: Ints
    strike: Floats
    is_call: Bools
    bid: Floats
    ask: Floats

    def take(self, index: Ints | Bools | npt.NDArray[np.intp]) -> _Lines:
        """Return some of the lines, by position or mask."""
        return _Lines(self.group[index], self.strike[index], self.is_call[index], self.bid[index], self.ask[index])


class _Pairs(NamedTuple):
    """Strikes of which call and put are usable, sorted by group and strike."""

    group: Ints
    strike: Floats
    difference: Floats
    call_spread: Floats
    put_spread: Floats


class _Regression(NamedTuple):
    """The own regression of each group; attributes as in ``ParityFit``, and the means that it goes through."""

    n: Ints
    mean_strike: Floats
    mean_difference: Floats
    discount: Floats
    forward: Floats
    rms: Floats
    rate_error: Floats
    median_spread: Floats


def parity_forward(
    group: npt.ArrayLike,
    strike: FloatLike,
    is_call: npt.ArrayLike,
    bid: FloatLike,
    ask: FloatLike,
    *,
    spot: FloatLike,
    tau: FloatLike,
    band_frac: float = STRIKE_BAND_FRAC,
) -> ParityFit:
    """Fit forward and discount of every expiry.

    Args:
        group: int, one per contract line, 0 to ``len(tau) - 1``: expiry and settlement style together.
        strike: float64, one per line.
        is_call: bool, one per line.
        bid: float64, one per line, NaN unknown.
        ask: float64, one per line, NaN unknown.
        spot: price of the underlying, one number or one per group.
        tau: years to settlement, one per group; NaN for a settled one.
        band_frac: strikes within this fraction of the spot are used.

    Returns:
        One element per group. A regression is accepted with at least 6 strikes, a discount in (0.90, 1.005], and residuals whose root mean
        square is below half the median spread. Otherwise the rate of the accepted expiry nearest in time is taken (among those that know
        their rate to 0.1 percentage points, if there are any), and ``flag`` says why. Lines with an unknown, zero or crossed quote are left
        out; of a contract that comes twice, the first usable line counts. The order of the lines changes nothing else.
    """
    strikes, bids, asks, taus = as_floats(strike, bid, ask, tau)
    lines = _Lines(np.asarray(group, dtype=np.int64), strikes, np.asarray(is_call, dtype=np.bool_), bids, asks)
    spots: Floats = np.broadcast_to(np.asarray(spot, dtype=np.float64), taus.shape)
    with np.errstate(all="ignore"):
        centre = spots[lines.group]
        usable = (np.abs(strikes - centre) <= band_frac * centre) & (bids > 0.0) & (asks >= bids) & (asks < np.inf)
        return _fit(_pair(lines.take(usable)), spots, np.where(taus > 0.0, taus, np.nan))


def _pair(lines: _Lines) -> _Pairs:
    """Bring call and put of a strike together."""
    lines = lines.take(np.lexsort((lines.is_call, lines.strike, lines.group)))
    repeated = np.zeros(lines.group.shape, np.bool_)
    repeated[1:] = _same_strike(lines) & (lines.is_call[1:] == lines.is_call[:-1])
    lines = lines.take(~repeated)
    # The put of a strike now stands directly before its call.
    put = np.flatnonzero(_same_strike(lines))
    call = put + 1
    middle, spread = 0.5 * (lines.bid + lines.ask), lines.ask - lines.bid
    return _Pairs(lines.group[put], lines.strike[put], middle[call] - middle[put], spread[call], spread[put])


def _same_strike(lines: _Lines) -> Bools:
    """Tell for every line but the first whether it has the group and the strike of the one before it."""
    return np.asarray((lines.group[1:] == lines.group[:-1]) & (lines.strike[1:] == lines.strike[:-1]))


def _regress(pairs: _Pairs, taus: Floats) -> _Regression:
    """Fit a line through the pairs of each group."""
    count = len(taus)
    n = np.bincount(pairs.group, minlength=count)

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(pairs.group, values, minlength=count), dtype=np.float64)

    mean_strike, mean_difference = total(pairs.strike) / n, total(pairs.difference) / n
    strike = pairs.strike - mean_strike[pairs.group]
    difference = pairs.difference - mean_difference[pairs.group]
    square = total(strike * strike)
    discount = np.where(n >= 2, -total(strike * difference) / square, np.nan)
    forward = mean_strike + mean_difference / discount
    residual = difference + discount[pairs.group] * strike
    squares = total(residual * residual)
    rms = np.where(n >= 2, np.sqrt(squares / n), np.nan)
    rate_error = np.where(n >= 3, np.sqrt(squares / (n - 2) / square) / (discount * taus), np.nan)
    spread = _median(np.tile(pairs.group, 2), np.concatenate([pairs.call_spread, pairs.put_spread]), count)
    return _Regression(n, mean_strike, mean_difference, discount, forward, rms, rate_error, spread)


def _judge(own: _Regression, taus: Floats) -> Flags:
    """Return a ``ParityFlag`` for each group."""
    flag = np.zeros(len(taus), np.uint8)
    flag[~(own.rms < MAX_RMS_PER_SPREAD * own.median_spread)] = ParityFlag.RESIDUALS_TOO_LARGE
    flag[~((own.discount > DISCOUNT_ABOVE) & (own.discount <= DISCOUNT_UP_TO))] = ParityFlag.DISCOUNT_OUT_OF_RANGE
    flag[own.n < MIN_STRIKES] = ParityFlag.TOO_FEW_STRIKES
    flag[np.isnan(taus)] = ParityFlag.SETTLED
    return flag


def _fit(pairs: _Pairs, spots: Floats, taus: Floats) -> ParityFit:
    own = _regress(pairs, taus)
    flag = _judge(own, taus)
    accepted = flag == ParityFlag.OK
    neighbour = _neighbours(taus, accepted, own.rate_error)
    donor = np.maximum(neighbour, 0)
    donor_rate = -np.log(own.discount[donor]) / taus[donor]
    donor_carry = np.log(own.forward[donor] / spots[donor]) / taus[donor]
    helped_discount = np.exp(-donor_rate * taus)
    # With the slope given, least squares of the intercept is the mean.
    own_quotes = own.mean_strike + own.mean_difference / helped_discount
    helped_forward = np.where(own.n > 0, own_quotes, spots * np.exp(donor_carry * taus))
    source = np.select(
        [accepted, neighbour < 0, own.n > 0],
        [ParitySource.OWN, ParitySource.NONE, ParitySource.NEIGHBOUR_RATE],
        ParitySource.NEIGHBOUR_CARRY,
    ).astype(np.uint8)
    none = source == ParitySource.NONE
    return ParityFit(
        forward=np.where(accepted, own.forward, np.where(none, np.nan, helped_forward)),
        discount=np.where(accepted, own.discount, np.where(none, np.nan, helped_discount)),
        own_forward=own.forward,
        own_discount=own.discount,
        rms=own.rms,
        rate_error=own.rate_error,
        median_spread=own.median_spread,
        n=own.n,
        flag=flag,
        source=source,
        neighbour=neighbour,
    )


def _median(groups: Ints, values: Floats, count: int) -> Floats:
    """Return the median per group; NaN for a group without values."""
    order = np.lexsort((values, groups))
    ordered = np.append(values[order], np.nan)
    size = np.bincount(groups, minlength=count)
    start = np.cumsum(size) - size
    middle = 0.5 * (ordered[start + (size - 1) // 2 * (size > 0)] + ordered[start + size // 2])
    return np.where(size > 0, middle, np.nan)


def _neighbours(taus: Floats, accepted: Bools, rate_error: Floats) -> Ints:
    """Return for every live group that was not accepted the accepted one nearest in time, the shorter of two; -1 for the others."""
    neighbour = np.full(len(taus), -1, np.int64)
    sure = accepted & (rate_error <= MAX_RATE_ERROR)
    donors = np.flatnonzero(sure if sure.any() else accepted)
    if donors.size == 0:
        return neighbour
    donors = donors[np.argsort(taus[donors], kind="stable")]
    needy = np.flatnonzero(~accepted & ~np.isnan(taus))
    distance = np.abs(taus[needy][:, None] - taus[donors][None, :])
    neighbour[needy] = donors[np.argmin(distance, axis=1)]
    return neighbour
