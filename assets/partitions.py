"""The one partitions definition that all dated assets share.

Belongs here: ``TRADE_DATES``. The key is the trade date of an instrument's session; its window comes from ``trading_platform.sessions``,
never from Dagster. Concept: https://docs.dagster.io/guides/build/partitions-and-backfills
"""

from __future__ import annotations

from datetime import date

import dagster as dg

FIRST_TRADE_DATE = date(2005, 1, 3)

TRADE_DATES = dg.DailyPartitionsDefinition(
    start_date=FIRST_TRADE_DATE.isoformat(),
    timezone="America/New_York",
    # A CME session opens at 18:00 the evening before, so the next trade date needs a key while Dagster's own day still runs.
    end_offset=2,
    # Weekends own no trade date. Holidays stay: they are partitions whose outcome is CLOSED (changing exclusions would orphan events).
    exclusions=["0 0 * * 6", "0 0 * * 0"],
)


def trade_date_of(partition_key: str) -> date:
    """Return the trade date that a partition key names."""
    return date.fromisoformat(partition_key)
