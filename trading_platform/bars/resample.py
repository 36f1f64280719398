"""Higher clock bars from lower clock bars.

Belongs here: the union of bars. Does not belong here: bars from ticks (``kernel.py``).

Going 1 s -> 1 min -> 5 min gives the same bytes as 1 s -> 5 min and as ticks -> 5 min: sums are integers, notional is turned back into
whole ticks before it is added, and vwap always comes from the sums.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from ..errors import QualityError
from .kernel import (
    BAR_COLUMNS,
    TIMESTAMP,
    UNBOUNDED,
    BarWindow,
    bar_frame,
    check_step,
    opening_times,
    single_contract,
    strictly_increasing,
)
from .partials import REPAIR, PartialBars, merge


def resample(
    bars: pl.DataFrame, step_s: int, *, from_step_s: int, tick_size: float, window: BarWindow = UNBOUNDED
) -> pl.DataFrame:
    """Unite clock bars into longer ones.

    Args:
        bars: columns ``BAR_COLUMNS``, ``ts_open`` strictly increasing, of one contract.
        step_s: width of the new bars in seconds, a multiple of ``from_step_s``.
        from_step_s: width of the given bars in seconds.
        tick_size: points.
        window: the window with which the given bars were made.

    Returns:
        Columns as ``time_bars``.

    Raises:
        QualityError: E424 if the steps do not nest, E421 if the bars are not in order, E425 for two contracts.
    """
    step_us = check_step(step_s)
    if step_us % check_step(from_step_s):
        raise QualityError(
            "E424",
            f"bars of {from_step_s} s cannot make bars of {step_s} s, expected a multiple",
            "a lower bar would have to be split; make these bars from ticks instead; nothing was written",
            "tp export bars --help",
        )
    contract = single_contract(bars)
    missing = [name for name in BAR_COLUMNS[:-1] if name not in bars.columns]
    if missing or bars.schema["ts_open"] != TIMESTAMP:
        raise _not_bars(f"the bars lack {', '.join(missing) or 'a ts_open of the type ' + str(TIMESTAMP)}")
    opens_us = bars["ts_open"].to_physical().to_numpy()
    if not strictly_increasing(opens_us):
        raise _not_bars("the bars are not in order: ts_open does not strictly increase")
    whole = {
        name: bars[name].to_numpy() for name in ("volume", "buy_volume", "sell_volume", "unknown_volume", "trades")
    }
    prices = {name: bars[name].to_numpy() for name in ("open", "high", "low", "close", "bid_close", "ask_close")}
    united = merge(
        PartialBars(
            bucket=(opens_us - window.anchor_us) // step_us,
            first_us=opens_us,
            last_us=opens_us,
            notional_ticks=np.rint(bars["notional"].to_numpy() / tick_size).astype(np.int64),
            **prices,
            **whole,
        )
    )
    return bar_frame(united, opening_times(united.bucket, step_us, window), tick_size, contract)


def _not_bars(what: str) -> QualityError:
    return QualityError(
        "E421",
        what,
        "open and close of the longer bar follow from the order of the shorter ones; nothing was written",
        REPAIR,
    )
