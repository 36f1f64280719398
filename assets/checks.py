"""The data checks of a dataset, published as Dagster asset checks.

Belongs here: the adapter from the pure check functions of a builder to asset checks. The same functions gate every commit, day by day,
inside ``build_day``; here they look again at what is stored. One day: the facts are measured anew from the stored file and a failed
error-level check blocks what comes after. A range: one summary per check that names the failed days and blocks nothing, because Dagster
runs a check once per run and would hold up the good days with the bad.
"""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from trading_platform.lake.building import CheckResult, DayBuilder, Json, Severity
from trading_platform.sessions import calendar_for

from .builders import RESOURCE_KEYS, Workbench, builder_for
from .partitions import trade_date_of

_SEVERITIES = {Severity.ERROR: dg.AssetCheckSeverity.ERROR, Severity.WARN: dg.AssetCheckSeverity.WARN}

STORED_FACTS = "stored_facts_unchanged"


def data_checks(asset: dg.AssetsDefinition, checks: Mapping[str, str]) -> dg.AssetChecksDefinition:
    """Publish the checks of one dated asset.

    Args:
        asset: the asset that is judged.
        checks: name and one-sentence description of every check that the builder runs.

    Returns:
        One op that evaluates all of them.
    """
    described = {
        **checks,
        STORED_FACTS: "The stored rows still measure up to the facts that were recorded when they were committed.",
    }
    specs = [
        # Without partitions of their own: Dagster records the one evaluation of a range for no partition at all, and the page
        # would read "0 of 9 passed".
        dg.AssetCheckSpec(name, asset=asset.key, description=text, blocking=True)
        for name, text in described.items()
    ]

    @dg.multi_asset_check(
        name="__".join([*asset.key.path, "checks"]),
        specs=specs,
        required_resource_keys=set(RESOURCE_KEYS),
        can_subset=False,
    )
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with Workbench.from_context(context) as workbench:
            builder = builder_for(asset.key, workbench)
            days = context.partition_keys if context.has_partition_key_range else [context.partition_key]
            if len(days) == 1:
                yield from _one_day(asset.key, builder, workbench, days[0], list(described))
            else:
                yield from _summary(asset.key, builder, workbench, days, list(described))

    return check


def judge_day(builder: DayBuilder, workbench: Workbench, day: str, *, measured: bool) -> tuple[CheckResult, ...] | None:
    """Run all checks of a stored day.

    Args:
        builder: the dataset and its symbol.
        workbench: where the day is stored.
        day: the partition key.
        measured: True to measure the stored rows again, False to judge the recorded facts.

    Returns:
        The results; empty for a day without rows by nature (closed, empty); None if nothing is stored.
    """
    trade_date = trade_date_of(day)
    footer = workbench.lake.footer(builder.contract.name, builder.symbol, trade_date)
    if footer is None:
        return None
    if footer.outcome.is_without_rows:
        return ()
    session = calendar_for(workbench.registry.get(builder.symbol).calendar).session(trade_date)
    if not measured:
        return builder.check(footer.facts, session)
    facts = builder.measure(trade_date)
    return (*builder.check({**footer.facts, **facts}, session), _compare(footer.facts, facts))


def _compare(recorded: Mapping[str, Json], measured: Mapping[str, Json]) -> CheckResult:
    changed = sorted(name for name, value in measured.items() if recorded.get(name) != value)
    text = (
        "all recorded facts measured again"
        if not changed
        else f"facts differ from the stored rows: {', '.join(changed)}"
    )
    return CheckResult(STORED_FACTS, not changed, Severity.ERROR, text, {"facts_compared": len(measured)})


def _one_day(
    key: dg.AssetKey, builder: DayBuilder, workbench: Workbench, day: str, names: Sequence[str]
) -> Iterator[dg.AssetCheckResult]:
    results = {r.name: r for r in judge_day(builder, workbench, day, measured=True) or ()}
    for name in names:
        result = results.get(name)
        if result is None:
            yield dg.AssetCheckResult(
                passed=True, check_name=name, asset_key=key, description=f"{day}: nothing to judge"
            )
            continue
        yield dg.AssetCheckResult(
            passed=result.passed,
            check_name=name,
            asset_key=key,
            severity=_SEVERITIES[result.severity],
            description=f"{day}: {result.description}",
            metadata={n: v for n, v in result.values.items() if isinstance(v, (bool, int, float, str))},
        )


def _summary(
    key: dg.AssetKey, builder: DayBuilder, workbench: Workbench, days: Sequence[str], names: Sequence[str]
) -> Iterator[dg.AssetCheckResult]:
    failed: dict[str, list[str]] = {name: [] for name in names}
    absent: list[str] = []
    for day in days:
        results = judge_day(builder, workbench, day, measured=False)
        if results is None:
            absent.append(day)
            continue
        for result in results:
            if not result.passed:
                failed[result.name].append(day)
    for name in names:
        bad = failed[name]
        text = f"{len(days) - len(absent)} days judged" + (f"; failed on {', '.join(bad)}" if bad else "; all passed")
        yield dg.AssetCheckResult(
            passed=not bad,
            check_name=name,
            asset_key=key,
            severity=dg.AssetCheckSeverity.WARN,
            description=text,
            metadata={"failed_days": bad, "days_not_stored": absent},
        )
