"""Benchmark: one option chain of 24,000 contracts, from the file to every level, beside the script that public studies use.

The chain is synthetic. The script reads the table with pandas and re-prices it with scipy at 60 levels, one loop per level, as the
published ones do: vendor gamma, a wall and one flip, without own volatilities, other greeks and expiries.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .measure import MEGABYTE, TMP, Settings, Variant, measure, prepare
from .report import Line, Result

NAME = "gex_chain"
LINES = 24_000
OURS, SCRIPT = "ours, everything", "pandas and scipy, vendor gamma and one flip"
_OBSERVED_AT = datetime(2025, 3, 10, 14, 30, tzinfo=UTC)
_SPOT = 5_700.25
_DAILY, _MONTHLY = 40, 8

Work = Callable[[], dict[str, Any]]


def run(settings: Settings) -> Result:
    """Measure."""
    lines = settings.size(LINES)
    file = str(TMP / f"chain-{lines}" / "spx.csv")
    written = prepare("bench.gex_chain:write_file", path=file, lines=lines)
    variants = [
        Variant(OURS, "bench.gex_chain:ours", {"path": file}),
        Variant(SCRIPT, "bench.gex_chain:script", {"path": file}),
    ]
    series = measure(variants, settings)
    mine, other = series[OURS], series[SCRIPT]
    return Result(
        NAME,
        f"{written['lines']:,} synthetic contracts in one quote table ({written['bytes'] / MEGABYTE:.1f} MB), in process after imports: "
        "own and vendor sums, own volatilities on parity forwards, all greeks, walls, max pain, every expiry, all crossings. The script "
        "does a small part of that.",
        list(series.values()),
        [
            Line("file to all levels, CPU", mine.median(), "s", at_most=0.5, noisy=mine.is_noisy),
            Line("of that reading the file, CPU", mine.median("read_s"), "s"),
            Line("script / ours, CPU", other.median() / mine.median(), "x", noisy=mine.is_noisy or other.is_noisy),
            Line("peak memory", mine.peak_bytes / MEGABYTE, "MB", at_most=300),
            Line("call side, ours against script", mine.median("call") / other.median("call") - 1, "relative"),
        ],
        OURS,
    )


def write_file(path: str, lines: int) -> Work:
    """Prepare writing the chain."""
    from trading_platform.simulation import SIMULATED_UNDERLYINGS, simulate_chain, write_chain_file

    underlying = SIMULATED_UNDERLYINGS["SPX"]
    # Every third Friday has an opening and a closing series.
    strikes = lines // (2 * (_DAILY + _MONTHLY))

    def work() -> dict[str, Any]:
        contracts = simulate_chain(
            underlying,
            _SPOT,
            _OBSERVED_AT,
            seed=5,
            daily_expiries=_DAILY,
            monthly_expiries=_MONTHLY,
            strikes=strikes,
        )
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = write_chain_file(Path(path), contracts, underlying, _SPOT, _OBSERVED_AT)
        return {"lines": contracts.height, "bytes": file.stat().st_size}

    return work


def ours(path: str) -> Work:
    """Prepare ours; one small call before the clock starts loads what is imported on first use."""
    import time

    from trading_platform.chains import read_quote_table
    from trading_platform.gex import compute_levels
    from trading_platform.gex.report import as_json

    compute_levels(read_quote_table(Path(path)).frame)

    def work() -> dict[str, Any]:
        started = time.process_time()
        decoded = read_quote_table(Path(path))
        read_s = time.process_time() - started
        document = as_json(compute_levels(decoded.frame), symbol="SPX", source="cboe")
        return {"read_s": read_s, "call": document["vendor"]["gex_call_usd_per_1pct"]}

    return work


def script(path: str) -> Work:
    """Prepare the script."""
    import numpy as np
    import pandas as pd
    from scipy.stats import norm

    def work() -> dict[str, Any]:
        table = pd.read_csv(path, skiprows=4, header=None)
        expiry = pd.to_datetime(table[0], format="%a %b %d %Y")
        strike = table[11].astype(float)
        today = pd.Timestamp("2025-03-10")
        call_gex = table[9].astype(float) * table[10].astype(float) * 100 * _SPOT * _SPOT * 0.01
        put_gex = table[20].astype(float) * table[21].astype(float) * 100 * _SPOT * _SPOT * 0.01
        by_strike = (call_gex - put_gex).groupby(strike).sum()
        days = [np.busday_count(today.date(), day.date()) / 262 or 1 / 262 for day in expiry]
        years = np.array(days)
        totals = []
        levels = np.linspace(0.8 * _SPOT, 1.2 * _SPOT, 60)
        for level in levels:
            total = 0.0
            for volatility, interest, sign in ((table[7], table[10], 1), (table[18], table[21], -1)):
                sigma = volatility.astype(float).to_numpy()
                with np.errstate(divide="ignore", invalid="ignore"):
                    deviation = sigma * np.sqrt(years)
                    d1 = (np.log(level / strike) + 0.5 * sigma**2 * years) / deviation
                    gamma = norm.pdf(d1) / (level * deviation)
                total += sign * np.nansum(interest.astype(float) * 100 * level * level * 0.01 * gamma)
            totals.append(total)
        changes = np.flatnonzero(np.diff(np.sign(totals)))
        return {
            "call": float(call_gex.sum()),
            "wall": float(by_strike.index.to_numpy()[by_strike.argmax()]),
            "flips": len(changes),
        }

    return work
