"""The check that a dataset is as new as the exchange calendar allows.

Belongs here: the adapter from ``trading_platform.lake.freshness`` to an asset check. It judges the whole asset and no single day, so it
blocks nothing and needs no run of the asset: ``jobs/freshness.py`` runs it by itself.
"""

from datetime import date

import dagster as dg

from trading_platform.instruments import Instrument
from trading_platform.lake.freshness import FRESH_BY_CALENDAR, FRESHNESS_TEXT, check_freshness
from trading_platform.sessions import calendar_for

from .metadata import is_done


def freshness_check(asset: dg.AssetsDefinition, instrument: Instrument) -> dg.AssetChecksDefinition:
    """Publish ``fresh_by_calendar`` for one dated asset of an instrument."""
    symbol, dataset = asset.key.path

    @dg.asset_check(
        name=FRESH_BY_CALENDAR,
        asset=asset.key,
        description=FRESHNESS_TEXT,
        blocking=False,
        required_resource_keys={"lake", "clock"},
    )
    def fresh(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        def is_complete(day: date) -> bool:
            """Ask the latest event of the day; without one the planner of backfills counts the day as missing, so it counts here too."""
            wanted = dg.AssetRecordsFilter(asset.key, asset_partitions=[day.isoformat()])
            records = context.instance.fetch_materializations(wanted, limit=1).records
            event = records[0].asset_materialization if records else None
            return event is not None and is_done(event.metadata)

        result = check_freshness(
            asset.key.to_user_string(),
            calendar_for(instrument.calendar),
            context.resources.clock.clock().now(),
            context.resources.lake.lake().days(dataset, symbol),
            is_complete,
        )
        return dg.AssetCheckResult(
            passed=result.passed,
            severity=dg.AssetCheckSeverity.WARN,
            description=result.description,
            metadata={name: value for name, value in result.values.items() if isinstance(value, (int, str))},
        )

    return fresh
