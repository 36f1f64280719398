"""The front door: assembles assets, resources, jobs and sensors; nothing else does.

Belongs here: ``build_defs``, used by the web UI, the command line and the tests alike. Does not belong here: logic of any kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

# Backfill policies and partitioned checks are marked beta and preview: one warning per asset would bury everything else.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from assets import bars, catalog, checks, coverage, depth, gex, keys, l2, regimes, ticks, watchlist  # noqa: E402
from assets.freshness import freshness_check  # noqa: E402
from assets.l2_agreement import agreement_checks  # noqa: E402
from assets.metadata import column_schema, no_column_schema  # noqa: E402
from jobs.daily import daily_ingest_job, daily_ingest_schedule  # noqa: E402
from jobs.freshness import freshness_job, freshness_schedule  # noqa: E402
from jobs.refresh import RefreshSettings  # noqa: E402
from resources import build_resources  # noqa: E402
from sensors.dead_runs import dead_runs_sensor  # noqa: E402
from sensors.new_files import new_files_sensor  # noqa: E402
from sensors.new_gamma_files import new_gamma_files_sensors  # noqa: E402
from sensors.run_failures import run_failures_sensor  # noqa: E402
from sensors.watchlist import watchlist_sensor  # noqa: E402
from trading_platform.bars import BarsBuilder  # noqa: E402
from trading_platform.chains import ChainBuilder, ChainCboeBuilder  # noqa: E402
from trading_platform.databento.l2_builder import L2Builder  # noqa: E402
from trading_platform.depth import DepthMetricsBuilder  # noqa: E402
from trading_platform.enrichment import EnrichedBarsBuilder, GexAlignmentBuilder  # noqa: E402
from trading_platform.gex.builder import GexLevelsBuilder, GexProfileBuilder  # noqa: E402
from trading_platform.gexfeed import GexSnapshotsBuilder, GexStrikesBuilder  # noqa: E402
from trading_platform.home import Home, find_home  # noqa: E402
from trading_platform.instruments import InstrumentKind, load_registry  # noqa: E402
from trading_platform.l2.metrics_builder import L2MetricsBuilder  # noqa: E402
from trading_platform.logs import configure_logs  # noqa: E402
from trading_platform.regimes import GexRegimesBuilder  # noqa: E402
from trading_platform.settings import load_settings  # noqa: E402
from trading_platform.sierra import TicksBuilder  # noqa: E402
from trading_platform.sierra.depth import DepthEventsBuilder  # noqa: E402

_CHECKS: Mapping[str, Mapping[str, str]] = {
    keys.TICKS: TicksBuilder.CHECKS,
    keys.BARS_1S: BarsBuilder.CHECKS,
    keys.BARS_1M: BarsBuilder.CHECKS,
    keys.DEPTH_EVENTS: DepthEventsBuilder.CHECKS,
    keys.DEPTH_METRICS: DepthMetricsBuilder.CHECKS,
    keys.L2: L2Builder.CHECKS,
    keys.L2_METRICS: L2MetricsBuilder.CHECKS,
    keys.GEX_SNAPSHOTS: GexSnapshotsBuilder.CHECKS,
    keys.GEX_STRIKES: GexStrikesBuilder.CHECKS,
    keys.CHAIN_CBOE: ChainCboeBuilder.CHECKS,
    keys.CHAIN: ChainBuilder.CHECKS,
    keys.GEX_LEVELS: GexLevelsBuilder.CHECKS,
    keys.GEX_PROFILE: GexProfileBuilder.CHECKS,
    keys.GEX_REGIMES: GexRegimesBuilder.CHECKS,
    keys.GEX_ALIGNMENT: GexAlignmentBuilder.CHECKS,
    keys.ENRICHED_BARS: EnrichedBarsBuilder.CHECKS,
}


def build_defs(
    home: Home | None = None, resource_overrides: Mapping[str, Any] | None = None, *, describe_columns: bool = True
) -> dg.Definitions:
    """Assemble the platform for one home.

    Args:
        home: the installation; None finds it by the settings.
        resource_overrides: resources by name that replace the real ones (tests).
        describe_columns: show column schemas on the asset pages; the command line has no pages, and the schemas cost half a second of
            imports.

    Returns:
        Assets of the active instruments and of the gamma series of active futures, their checks, the jobs, schedules, sensors and
        resources.

    Raises:
        ConfigurationError: E102 or E103 if there is no home, E12x if the list of instruments cannot be read.
    """
    settings = load_settings()
    configure_logs(settings.log_level)
    home = find_home(settings) if home is None else home
    registry = load_registry(home.instruments_toml)
    describe = column_schema if describe_columns else no_column_schema
    dated: list[dg.AssetsDefinition] = []
    for instrument in registry.with_assets:
        if instrument.kind is InstrumentKind.FUTURE:
            dated += [ticks.ticks_asset(instrument, describe), *bars.bar_assets(instrument, describe)]
            dated += depth.depth_assets(instrument, describe)
            dated += [
                *gex.alignment_asset(instrument, registry, describe),
                *bars.enriched_asset(instrument, registry, describe),
            ]
        else:
            dated += [*gex.gamma_assets(instrument, describe), *regimes.regime_assets(instrument, describe)]
    # What may cost money is no part of the daily ingest: it is made when somebody asks for it.
    bought = [asset for instrument in registry.active for asset in l2.l2_assets(instrument, describe)]
    agreed = [check for asset in bought for check in agreement_checks(asset, registry.get(asset.key.path[0]))]
    listed = watchlist.watchlist_asset(describe)
    views = catalog.sql_views_asset([asset.key for asset in (*dated, *bought, listed)])
    board = coverage.coverage_asset([*dated, *bought], home.coverage_cache_dir, is_demo=home.is_demo)
    # Without dated assets there is nothing to ingest, and a job of unpartitioned assets could not be asked for a trade date.
    ingest = daily_ingest_job(dated, [views, board]) if dated else None
    parents = {asset.key: asset.asset_deps[asset.key] for asset in dated}
    fresh = [freshness_check(asset, registry.get(asset.key.path[0]), parents) for asset in dated]
    look = freshness_job(fresh) if fresh else None
    pace = RefreshSettings(live_interval_s=settings.live_interval_s, retry_pause_s=settings.retry_pause_s)
    watch = new_files_sensor(dated, home.claims_dir, pace, interval_s=settings.watch_interval_s) if dated else None
    return dg.Definitions(
        assets=[*dated, *bought, listed, views, board],
        asset_checks=[
            *(checks.data_checks(asset, _CHECKS[asset.key.path[1]]) for asset in (*dated, *bought)),
            *fresh,
            *agreed,
        ],
        jobs=[job for job in (ingest, look) if job is not None],
        schedules=[
            *([] if ingest is None else [daily_ingest_schedule(ingest, registry.with_assets, dated)]),
            *([] if look is None else [freshness_schedule(look)]),
        ],
        sensors=[
            dead_runs_sensor(),
            run_failures_sensor(),
            watchlist_sensor(home.claims_dir, interval_s=settings.watch_interval_s),
            *([] if watch is None else [watch]),
            *new_gamma_files_sensors(dated, home.claims_dir, pace, interval_s=settings.watch_interval_s),
        ],
        resources={**build_resources(home, settings), **(resource_overrides or {})},
        # A process per step costs 1.5 CPU seconds of imports; the work of a step is often less.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the platform of the home that the environment names; Dagster calls this when it loads the code location."""
    return build_defs()
