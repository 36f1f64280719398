"""The check that a dataset is as new as the exchange calendar allows.

Belongs here: the adapter from ``trading_platform.lake.freshness`` to an asset check. It judges the whole asset and no single day, so it
blocks nothing and needs no run of the asset: ``jobs/freshness.py`` runs it by itself. A dataset is not behind on days that nobody recorded.
"""

from datetime import date, timedelta

import dagster as dg

from trading_platform.instruments import Instrument
from trading_platform.lake.building import CheckResult
from trading_platform.lake.freshness import FRESH_BY_CALENDAR, FRESHNESS_TEXT, check_freshness
from trading_platform.sessions import TradingCalendar, calendar_for

from .builders import RESOURCE_KEYS, Workbench
from .metadata import is_done
from .recorded import Parents, why_not_recorded


def freshness_check(asset: dg.AssetsDefinition, instrument: Instrument, parents: Parents) -> dg.AssetChecksDefinition:
    """Publish ``fresh_by_calendar`` for one dated asset of an instrument.

    Args:
        asset: the asset that is judged.
        instrument: whose sessions count.
        parents: all dated assets, with what each is made from.
    """
    symbol, dataset = asset.key.path

    @dg.asset_check(
        name=FRESH_BY_CALENDAR,
        asset=asset.key,
        description=FRESHNESS_TEXT,
        blocking=False,
        required_resource_keys=set(RESOURCE_KEYS),
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
        why = None if result.passed else _excuse(asset.key, calendar_for(instrument.calendar), result, parents, context)
        return dg.AssetCheckResult(
            passed=result.passed or why is not None,
            severity=dg.AssetCheckSeverity.WARN,
            description=result.description if why is None else f"not recorded: {why}",
            metadata={name: value for name, value in result.values.items() if isinstance(value, (int, str))},
        )

    return fresh


def _excuse(
    key: dg.AssetKey,
    calendar: TradingCalendar,
    result: CheckResult,
    parents: Parents,
    context: dg.AssetCheckExecutionContext,
) -> str | None:
    """Return why none of the late days can be expected; None if one of them can."""
    newest, final = result.values["newest_complete"], date.fromisoformat(str(result.values["newest_final"]))
    late = [final]
    if newest is not None:
        sessions = calendar.sessions(date.fromisoformat(str(newest)) + timedelta(days=1), final)
        late = [session.trade_date for session in sessions if session.is_open]
    why = None
    with Workbench.from_context(context) as workbench:
        for day in reversed(late):
            why = why_not_recorded(key, parents, workbench, day)
            if why is None:
                return None
    return why
