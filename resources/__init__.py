"""What assets need from outside, as Dagster resources that tests replace.

Belongs here: thin configurable adapters around ``trading_platform``. Does not belong here: the things they adapt.
"""

from __future__ import annotations

from typing import Any

from dagster_duckdb import DuckDBResource

from trading_platform.home import Home
from trading_platform.settings import Settings

from .clock import ClockResource
from .databento import DataBentoResource
from .gamma import GammaResource
from .lake import LakeResource
from .reference_data import ReferenceDataResource
from .sierra import SierraArchiveResource

__all__ = [
    "ClockResource",
    "DataBentoResource",
    "GammaResource",
    "LakeResource",
    "ReferenceDataResource",
    "SierraArchiveResource",
    "build_resources",
]


def build_resources(home: Home, settings: Settings) -> dict[str, Any]:
    """Return the real resources of one home, by name."""
    sierra_dir = settings.sierra_dir or home.sierra_dir
    return {
        "lake": LakeResource(root=str(home.lake_dir)),
        "sierra": SierraArchiveResource(
            directory=None if sierra_dir is None else str(sierra_dir),
            sources_toml=str(home.sources_toml),
            cache_dir=str(home.cache_dir),
        ),
        "databento": DataBentoResource(home=str(home.path)),
        "gamma": _gamma(home, settings),
        "reference_data": ReferenceDataResource(
            instruments_toml=str(home.instruments_toml), rolls_csv=str(home.rolls_csv)
        ),
        "clock": ClockResource(),
        "duckdb": DuckDBResource(
            database=str(home.catalog_path), connection_config={"autoinstall_known_extensions": "false"}
        ),
    }


def _gamma(home: Home, settings: Settings) -> GammaResource:
    # A demo reads its own synthetic files alone, whatever folders of real data the environment names.
    feed = home.gex_dir if home.is_demo else settings.gex_dir or home.gex_dir
    chains = home.chain_dir if home.is_demo else settings.chain_dir or home.chain_dir
    return GammaResource(
        feed_directory=None if feed is None else str(feed),
        chain_directory=None if chains is None else str(chains),
        regimes_toml=str(home.regimes_toml),
        gex_category=settings.gex_category,
        gex_latency_ms=settings.gex_latency_ms,
        gex_stale_after_ms=settings.gex_stale_after_ms,
        gex_stale_outside_ms=settings.gex_stale_outside_ms,
        chain_cadence_s=settings.chain_cadence_s,
        chain_latency_ms=settings.chain_latency_ms,
    )
