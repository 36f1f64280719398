"""The factory behind all dated assets: same partitions, same body, same checks; only key, inputs and texts differ.

Belongs here: what every dated asset has in common. Does not belong here: which assets exist (the stage modules).
"""

from collections.abc import Sequence

import dagster as dg

from trading_platform.instruments import Instrument
from trading_platform.lake.contract import DatasetContract

from . import keys
from .builders import RESOURCE_KEYS
from .metadata import DescribeColumns
from .partitions import TRADE_DATES
from .progress import build_days

OWNERS = ["team:market-data"]


def dated_asset(
    instrument: Instrument,
    contract: DatasetContract,
    *,
    describe: DescribeColumns,
    stage: str,
    description: str,
    code_version: str,
    kinds: set[str],
    upstream: Sequence[dg.AssetKey] = (),
    days_per_run: int = 60,
    pool: str = "disk_heavy",
) -> dg.AssetsDefinition:
    """Define one dataset of one instrument, partitioned by trade date.

    Args:
        instrument: supplies the first part of the key.
        contract: supplies the second part of the key and the column schema.
        describe: makes the column schema for the asset page.
        stage: group in the asset graph.
        description: one paragraph for the asset page.
        code_version: version of the transformation.
        kinds: badges in the asset graph.
        upstream: keys of the datasets that it is made from, day by day.
        days_per_run: size of a run in a backfill; runs cost about a second each, and days of a run share their fate when it is killed.
        pool: limits how many runs work at once.

    Returns:
        The asset definition.
    """

    @dg.asset(
        key=keys.asset_key(instrument.symbol, contract.name),
        deps=list(upstream),
        partitions_def=TRADE_DATES,
        backfill_policy=dg.BackfillPolicy.multi_run(days_per_run),
        group_name=stage,
        kinds=kinds,
        owners=OWNERS,
        tags={"symbol": instrument.symbol, "stage": stage},
        description=description,
        code_version=code_version,
        pool=pool,
        metadata={**describe(contract), "contract_version": contract.version},
        required_resource_keys=set(RESOURCE_KEYS),
    )
    def dated(context: dg.AssetExecutionContext) -> None:
        build_days(context)

    return dated
