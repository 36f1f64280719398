"""Stage l2: level 2 history from DataBento, and its measures per second."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from trading_platform.databento.l2_builder import L2Builder
from trading_platform.databento.targets import has_order_book
from trading_platform.instruments import Instrument
from trading_platform.l2.metrics_builder import L2MetricsBuilder
from trading_platform.lake.contracts import L2, L2_METRICS

from . import keys
from .dated import dated_asset
from .metadata import DescribeColumns

POOL = "databento"
# The budget looks at all days of a run together, and the web UI cuts a backfill into runs: with few days per run the first runs would be
# paid before a later one is refused. Each day is materialized on its own, so a run that is killed loses nothing that was bought.
DAYS_PER_RUN = 260


def l2_assets(instrument: Instrument, describe: DescribeColumns) -> Iterator[dg.AssetsDefinition]:
    """Define ``<SYM>/l2`` and ``<SYM>/l2_metrics``; nothing for an instrument without an order book at DataBento."""
    if not has_order_book(instrument):
        return
    yield dated_asset(
        instrument,
        L2,
        describe=describe,
        stage="l2",
        kinds={"parquet", "databento"},
        code_version=L2Builder.CODE_VERSION,
        days_per_run=DAYS_PER_RUN,
        pool=POOL,
        description=(
            f"Every order book event of {instrument.symbol} with the ten best levels of both sides, from DataBento mbp-10. A day is bought "
            "once, within the budget, and kept as a raw file; making it again costs nothing. `tp l2 plan` shows what a range would cost."
        ),
    )
    yield dated_asset(
        instrument,
        L2_METRICS,
        describe=describe,
        stage="l2",
        kinds={"parquet", "numpy"},
        code_version=L2MetricsBuilder.CODE_VERSION,
        upstream=[keys.asset_key(instrument.symbol, keys.L2)],
        description=(
            f"The ten-level book of {instrument.symbol} at the end of every second: spread, microprice, imbalance, order flow imbalance, "
            "volume by aggressor; point of control and value area of the day."
        ),
    )
