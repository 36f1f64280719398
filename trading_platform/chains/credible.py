"""Telling tables whose numbers are on another scale.

Belongs here: judging the price in the head and the volatilities of a table by what else the table says, and which expiries and contracts it
lacks. Does not belong here: single lines (``cboe.py``), judging a day (``checks.py``).

A dot for thousands makes ``6.439`` out of 6,439, and nothing in the head shows it. But calls and puts of one strike say where the
underlying is: strike + call - put (put-call parity). In 25 genuine tables of three underlyings the median of that over the series of the
next weeks lies within 0.4 % of the price, whatever the hour.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from ..errors import SourceError
from ..lake import Json
from .counts import HAS_INTEREST, LIVE
from .header import HOW_TO_SAVE, TableHeader, no_spot

PRICE_FACTOR_MAX: Final = 1.25
"""A price further than this from the quotes is a typing or scale error; no dividend and no borrowing fee of some weeks is that large."""

STRIKES_FACTOR_MAX: Final = 2.0
"""How far beyond the listed strikes a price may lie: strikes follow the price, at the latest on the next day."""

IV_MEDIAN: Final = (0.005, 5.0)
"""Median of the volatilities of live contracts; 0.18 to 0.27 in genuine tables of indices, 15 to 30 if they are in percent."""

OFF_PRICE_FRAC: Final = 0.03
"""An expiry whose strikes end this far from the price is not whole; in genuine tables all reach at least 9.7 % beyond it on both sides."""

_NEAR = timedelta(days=35)
_FEWEST_PAIRS = 3
_MOST_NAMED = 3


def judge_numbers(header: TableHeader, frame: pl.DataFrame, name: str) -> float | None:
    """Refuse a table whose price or volatilities cannot be right.

    Args:
        header: of the table.
        frame: its usable contracts, columns of the contract ``chain``.
        name: file name for errors.

    Returns:
        Price of the head / price that the quotes imply - 1; None if too few contracts have quotes on both sides.

    Raises:
        SourceError: E244 the price contradicts quotes or strikes; E256 the volatilities are on another scale.
    """
    spot = header.spot
    implied = implied_price(frame)
    if implied is not None:
        _expect(spot, implied, implied, "calls and puts of the same strike imply", name)
    elif header.bid is not None and header.ask is not None:
        _expect(spot, header.bid, header.ask, "bid and ask of the underlying in the head are", name)
    low, high = frame.select(low=pl.col("strike").min(), high=pl.col("strike").max()).row(0)
    if not low / STRIKES_FACTOR_MAX <= spot <= high * STRIKES_FACTOR_MAX:
        raise no_spot(name, f"'Last: {spot}' is far from all strikes, which go from {low} to {high}")
    _judge_volatilities(frame, name)
    return None if implied is None else spot / implied - 1


def implied_price(frame: pl.DataFrame) -> float | None:
    """Return the median of strike + call - put over live strikes of the next 35 days, or of all if those have too few; None likewise.

    Args:
        frame: columns observed_at, settlement_at, root, expiry, strike, right, bid, ask.
    """
    for soon in (True, False):
        within = pl.col("settlement_at") <= pl.col("observed_at") + _NEAR if soon else pl.lit(value=True)
        quoted = frame.filter(LIVE & (pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid")) & within).select(
            "root", "expiry", "strike", "right", mid=(pl.col("bid") + pl.col("ask")) / 2
        )
        calls, puts = (quoted.filter(pl.col("right") == right).drop("right") for right in "CP")
        pairs = calls.join(puts, on=["root", "expiry", "strike"], suffix="_put")
        if pairs.height >= _FEWEST_PAIRS:
            implied = pairs.select((pl.col("strike") + pl.col("mid") - pl.col("mid_put")).median()).item()
            return float(implied) if implied > 0 else None
    return None


def expiries_off_price(frame: pl.DataFrame) -> list[str]:
    """Name the live series whose strikes all lie on one side of the price: the rest of them is missing.

    Args:
        frame: one snapshot, columns of the contract ``chain``.
    """
    spans = frame.filter(LIVE).group_by("expiry", "root").agg(
        pl.col("spot").first(), low=pl.col("strike").min(), high=pl.col("strike").max()
    )  # fmt: skip
    off = spans.filter(
        (pl.col("high") < pl.col("spot") * (1 - OFF_PRICE_FRAC))
        | (pl.col("low") > pl.col("spot") * (1 + OFF_PRICE_FRAC))
    ).sort("expiry", "root")
    return [
        f"{root} {expiry.isoformat()}, strikes {low:g} to {high:g}"
        for expiry, root, _, low, high in off.head(_MOST_NAMED).iter_rows()
    ] + ([f"{off.height - _MOST_NAMED} more"] if off.height > _MOST_NAMED else [])


def lacking(
    before: pl.DataFrame, now: pl.DataFrame, refused: int, *, strikes_stay: bool = True
) -> dict[str, Json] | None:
    """Tell which contracts that somebody holds were listed before and are not any more, though their series has not settled.

    In 22 pairs of genuine tables, hours to years apart, none was, but for one table without its three last expiries.

    Args:
        before: an earlier snapshot; columns option_symbol, expiry, settlement_at, open_interest.
        now: the snapshot in question; columns observed_at, option_symbol.
        refused: contract lines of it that were refused, which are not missing in the file.
        strikes_stay: False compares expiries only; generated tables list other strikes when the price moves.

    Returns:
        ``contracts``, ``open_interest``, ``of_open_interest`` (of all contracts that should be there), ``expiries`` that are missing whole;
        None if nothing is missing.
    """
    expected = before.filter(HAS_INTEREST & (pl.col("settlement_at") > now["observed_at"][0]))
    missing = expected.join(now.select("option_symbol"), on="option_symbol", how="anti")
    if not strikes_stay:
        missing = missing.join(now.select("expiry"), on="expiry", how="anti")
    if missing.height <= refused:
        return None
    gone = sorted(set(expected["expiry"].unique()) - set(now["expiry"].unique()))
    return {
        "contracts": missing.height,
        "open_interest": int(missing["open_interest"].sum()),
        "of_open_interest": int(expected["open_interest"].sum()),
        "expiries": [expiry.isoformat() for expiry in gone],
    }


def _expect(spot: float, low: float, high: float, says: str, name: str) -> None:
    if low / PRICE_FACTOR_MAX <= spot <= high * PRICE_FACTOR_MAX:
        return
    found = f"{low:.4f}" if low == high else f"{low} and {high}"
    raise no_spot(name, f"'Last: {spot}' cannot be right: {says} {found}")


def _judge_volatilities(frame: pl.DataFrame, name: str) -> None:
    median = frame.select(pl.col("iv").filter(LIVE & (pl.col("iv") > 0)).median()).item()
    low, high = IV_MEDIAN
    if median is None or low <= median <= high:
        return
    raise SourceError(
        "E256",
        f"{name}: half of the implied volatilities are above {median:g}, expected {low:g} to {high:g} per year (0.15 is 15 %)",
        "the table was written in percent or edited; exposures would be wrong by that factor, so the file is left out; the others go on; "
        "download it again",
        HOW_TO_SAVE,
    )
