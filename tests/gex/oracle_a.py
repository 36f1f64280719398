"""Method A of public studies: business days by 262, 60 levels, every row of the file. An oracle, not part of the product.

Source: definitions beside the sample chains. Settled series stay in; the volatility is that of the row; rates are 0.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from .frames import EASTERN

LEVELS, YEAR_DAYS = 60, 262


def total_usd(chain: pl.DataFrame) -> tuple[float, float]:
    """Return call and put side with vendor gamma over all rows, settled ones included, USD per 1 %."""
    spot = chain["spot"][0]
    dollars = (
        chain["vendor_gamma"].fill_null(0.0) * chain["open_interest"].fill_null(0) * 100 * spot * spot * 0.01
    ).to_numpy()
    is_call = (chain["right"] == "C").to_numpy()
    return float(dollars[is_call].sum()), -float(dollars[~is_call].sum())


def flips(chain: pl.DataFrame, *, floor: bool = True, same_day_only: bool = False) -> list[float]:
    """Return all sign changes over 60 levels, linearly interpolated.

    Args:
        chain: every row of the file.
        floor: a series that expires on the same business day counts as one day; without it the series is lost (the T0 variant).
        same_day_only: only series that expire on the date of the snapshot.
    """
    spot = chain["spot"][0]
    today = chain["observed_at"][0].astimezone(EASTERN).date()
    expiry = chain["expiry"].to_numpy().astype("datetime64[D]")
    days = np.busday_count(np.datetime64(today), expiry)
    if floor:
        days = np.where(days == 0, 1, days)
    sigma = chain["iv"].fill_null(0.0).to_numpy()
    interest = chain["open_interest"].fill_null(0).to_numpy().astype(np.float64)
    sign = np.where((chain["right"] == "C").to_numpy(), 1.0, -1.0)
    kept = (days > 0) & (sigma > 0) & (interest > 0)
    if same_day_only:
        kept &= expiry == np.datetime64(today)
    strike, sigma, years = chain["strike"].to_numpy()[kept], sigma[kept], days[kept] / YEAR_DAYS
    weight = (sign * interest)[kept]
    deviation = sigma * np.sqrt(years)
    levels = np.linspace(0.8 * spot, 1.2 * spot, LEVELS)
    d1 = np.log(levels[:, None] / strike) / deviation + deviation / 2
    gamma = np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) / (levels[:, None] * deviation)
    profile = (gamma * weight).sum(axis=1) * 100 * levels * levels * 0.01
    at = np.flatnonzero(np.sign(profile[:-1]) != np.sign(profile[1:]))
    low, high, below, above = levels[at], levels[at + 1], profile[at], profile[at + 1]
    return [float(level) for level in high - (high - low) * above / (above - below)]
