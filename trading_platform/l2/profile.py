"""Volume by price: the profile of a day, its point of control and its value area.

Belongs here: formulas. Does not belong here: pictures.

Source: the value area as taught for market profiles: begin at the price with the most volume and add, one price at a time, the neighbour
with more volume above or below, until 70 % of the volume lie inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from .measures import IS_PRICED

VALUE_AREA_FRAC = 0.70


@dataclass(frozen=True, slots=True)
class ValueArea:
    """Where most of the volume traded.

    Attributes:
        point_of_control: price in points with the most volume; of several the one nearest the middle of the range, the lower of two.
        low: lowest price of the value area, points.
        high: highest price of the value area, points.
        volume: volume inside, contracts or shares.
        total_volume: volume of all prices.
    """

    point_of_control: float
    low: float
    high: float
    volume: int
    total_volume: int


def volume_profile(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum trades by price.

    Args:
        rows: rows of ``l2`` with action, side, price and size; other actions than trades are left out.

    Returns:
        One row per price, ascending: price f64 [points], volume, buy_volume, sell_volume and trades i64. Trades without a price or size
        are left out.
    """
    trades = rows.filter(pl.col("action") == "T", IS_PRICED)
    size = pl.col("size").cast(pl.Int64)
    return (
        trades.group_by("price")
        .agg(
            size.sum().alias("volume"),
            (size * (pl.col("side") == "B")).sum().alias("buy_volume"),
            (size * (pl.col("side") == "A")).sum().alias("sell_volume"),
            pl.len().cast(pl.Int64).alias("trades"),
        )
        .sort("price")
    )


def value_area(profile: pl.DataFrame, share_frac: float = VALUE_AREA_FRAC) -> ValueArea | None:
    """Return the point of control and the value area of a profile.

    Args:
        profile: price and volume, ascending by price.
        share_frac: part of the volume that must lie inside, above 0 and up to 1.

    Returns:
        None if nothing traded.
    """
    prices, volumes = profile["price"].to_list(), profile["volume"].to_list()
    total = sum(volumes)
    if total == 0:
        return None
    middle = (prices[0] + prices[-1]) / 2
    peak = max(range(len(prices)), key=lambda at: (volumes[at], -abs(prices[at] - middle), -prices[at]))
    low = high = peak
    inside = volumes[peak]
    while inside < share_frac * total:
        below = volumes[low - 1] if low > 0 else -1
        above = volumes[high + 1] if high + 1 < len(prices) else -1
        if above >= below:
            high += 1
            inside += above
        else:
            low -= 1
            inside += below
    return ValueArea(prices[peak], prices[low], prices[high], inside, total)
