"""Stage l2: level 2 of the symbols and days that a list names.

Belongs here: the one asset of the list. Does not belong here: which symbols a day has and how they are made
(``trading_platform/l2/watchlist_days.py``), noticing that the list has changed (``sensors/watchlist.py``).

The asset is there with and without a list, so that its history does not come and go with a setting; without one its days end UNAVAIL.
"""

import dagster as dg

from trading_platform.databento.l2_builder import L2Builder
from trading_platform.lake.contracts import L2

from . import keys
from .builders import RESOURCE_KEYS
from .dated import OWNERS
from .l2 import DAYS_PER_RUN, POOL
from .metadata import DescribeColumns
from .partitions import TRADE_DATES
from .progress import build_days


def watchlist_asset(describe: DescribeColumns) -> dg.AssetsDefinition:
    """Define ``watchlist/l2``.

    Args:
        describe: makes the column schema for the asset page.
    """

    @dg.asset(
        key=keys.WATCHLIST,
        partitions_def=TRADE_DATES,
        backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_RUN),
        group_name="l2",
        kinds={"parquet", "databento"},
        owners=OWNERS,
        tags={"symbol": "watchlist", "stage": "l2"},
        description=(
            "Level 2 of every symbol that the list of TP_WATCHLIST names on a day, one file per symbol, each bought once within the "
            "budget. A day is done when the file of each symbol is current, and to do again when the list gains a symbol; a symbol that is "
            "taken off the list keeps its file. Active instruments are left to their own assets. `tp l2 plan` shows what it would cost."
        ),
        code_version=L2Builder.CODE_VERSION,
        pool=POOL,
        metadata={**describe(L2), "contract_version": L2.version},
        required_resource_keys=set(RESOURCE_KEYS),
    )
    def watchlist_l2(context: dg.AssetExecutionContext) -> None:
        build_days(context)

    return watchlist_l2
