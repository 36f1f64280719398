"""The checks that compare stored level 2 with ticks and with the vendor's bars.

Belongs here: the adapter from ``trading_platform.l2.agreement`` to asset checks. They block nothing: the other source may be the wrong one.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg

from trading_platform.instruments import Instrument
from trading_platform.l2.agreement import (
    AGREES_WITH_BARS,
    AGREES_WITH_TICKS,
    DESCRIPTIONS,
    compare_with_ticks,
    compare_with_vendor_bars,
)
from trading_platform.lake.building import CheckResult
from trading_platform.words import counted

from . import keys
from .builders import RESOURCE_KEYS, Workbench
from .partitions import trade_date_of

# Asked without a range, a check looks at the latest stored days.
_MOST_DAYS = 60

Compare = Callable[[Workbench, str, date], CheckResult]


def agreement_checks(asset: dg.AssetsDefinition, instrument: Instrument) -> list[dg.AssetChecksDefinition]:
    """Publish the comparisons of one asset; none for other datasets than ``l2``, and ticks for futures only, since only they have them."""
    if asset.key.path[1] != keys.L2:
        return []
    checks = [_check(instrument.symbol, AGREES_WITH_BARS, _with_bars)]
    if instrument.is_future:
        checks.append(_check(instrument.symbol, AGREES_WITH_TICKS, _with_ticks))
    return checks


def _with_ticks(workbench: Workbench, symbol: str, day: date) -> CheckResult:
    return compare_with_ticks(workbench.lake, symbol, day, tick_size=workbench.registry.get(symbol).tick_size)


def _with_bars(workbench: Workbench, symbol: str, day: date) -> CheckResult:
    return compare_with_vendor_bars(workbench.lake, workbench.vendor.cache, symbol, day)


def _check(symbol: str, name: str, compare: Compare) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=name,
        asset=keys.asset_key(symbol, keys.L2),
        description=DESCRIPTIONS[name],
        blocking=False,
        required_resource_keys=set(RESOURCE_KEYS),
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with Workbench.from_context(context) as workbench:
            results = {day: compare(workbench, symbol, day) for day in _days(context, workbench, symbol)}
        return summary_of(results)

    return check


def _days(context: dg.AssetCheckExecutionContext, workbench: Workbench, symbol: str) -> Sequence[date]:
    stored = workbench.lake.days(keys.L2, symbol)
    if context.has_partition_key or context.has_partition_key_range:
        wanted = context.partition_keys if context.has_partition_key_range else [context.partition_key]
        there = frozenset(stored)
        return [day for day in map(trade_date_of, wanted) if day in there]
    return list(stored)[-_MOST_DAYS:]


def summary_of(results: Mapping[date, CheckResult]) -> dg.AssetCheckResult:
    """Put the days into one result; a single day is told in full, and days that cannot be compared do not count as agreeing."""
    bad = {day.isoformat(): result.description for day, result in results.items() if not result.passed}
    told = [f"{day}: {result.description}" for day, result in results.items() if not result.passed or len(results) == 1]
    compared = sum(1 for result in results.values() if result.values)
    return dg.AssetCheckResult(
        passed=not bad,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(told[:5]) or _compared(results, compared),
        metadata={"days": len(results), "days_compared": compared, "days_that_differ": list(bad)},
    )


def _compared(results: Mapping[date, CheckResult], compared: int) -> str:
    if not results:
        return "nothing to compare: no day is stored"
    if compared:
        return f"{compared} of {counted(len(results), 'stored day')} could be compared; all agree"
    ((description, days),) = Counter(result.description for result in results.values()).most_common(1)
    reason = description.removeprefix("not compared: ")
    shared = "" if days == len(results) else f", for {days} of them"
    return f"nothing to compare on {counted(len(results), 'stored day')}{shared}: {reason}"
