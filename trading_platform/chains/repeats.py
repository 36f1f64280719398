"""Telling a snapshot that shows nothing new.

Belongs here: the comparison of two snapshots. Does not belong here: which snapshots are compared (``builder.py``).

After the close and on weekends a download shows the last session's quotes under a new time. An equal price of the underlying proves
nothing: quotes are renewed and open interest is updated while it stands still. So all quotes and the open interest are compared.
"""

from __future__ import annotations

import polars as pl


def is_repeat(before: pl.DataFrame, now: pl.DataFrame) -> bool:
    """Tell whether a snapshot has the quotes and the open interest of another one on all contracts that both have.

    Args:
        before: the earlier snapshot; columns option_symbol, bid, ask, open_interest.
        now: the later one, same columns.

    Returns:
        False also if they share less than half of the contracts of the smaller one, which is no evidence either way. Null equals null.
    """
    compared = ("bid", "ask", "open_interest")
    common = now.select("option_symbol", *compared).join(before.select("option_symbol", *compared), on="option_symbol")
    if common.height * 2 < min(before.height, now.height) or common.is_empty():
        return False
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_right")) for name in compared)
    return bool(common.select(same.all()).item())
