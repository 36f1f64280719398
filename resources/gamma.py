"""Gamma exposure as a resource: the folders of feed files and option chains, and how both are used.

Belongs here: the settings of gamma exposure in the form that Dagster carries. Does not belong here: their defaults and environment
variables (``trading_platform.settings``), what they mean (``trading_platform.enrichment``, ``trading_platform.regimes``).
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from trading_platform.chains import ChainArchive
from trading_platform.clock import Clock
from trading_platform.enrichment import AttachPolicy
from trading_platform.gexfeed import FeedArchive
from trading_platform.instruments import Registry
from trading_platform.regimes import RegimeParameters, load_parameters
from trading_platform.sessions import calendar_for

_OPTIONS_CALENDAR = "NYSE"


class GammaResource(dg.ConfigurableResource[FeedArchive]):
    """Where gamma data come from and what may be attached to a row.

    Attributes:
        feed_directory: folder with history files of the gamma feed; None if there is none on this machine.
        chain_directory: folder with saved option chains; None if there is none.
        regimes_toml: the user's changes to the parameters of regimes; a missing file means none.
        gex_category: category of the feed that is used.
        gex_latency_ms: a snapshot is known this long after its time.
        gex_stale_after_ms: oldest age of a snapshot in regular hours of the underlying.
        gex_stale_outside_ms: the same outside them.
        chain_cadence_s: time between two chains in regular hours.
        chain_latency_ms: a chain is known this long after its stamp.
    """

    feed_directory: str | None = None
    chain_directory: str | None = None
    regimes_toml: str
    gex_category: str
    gex_latency_ms: int
    gex_stale_after_ms: int
    gex_stale_outside_ms: int
    chain_cadence_s: int
    chain_latency_ms: int

    def feed_archive(self) -> FeedArchive:
        """Return the history files of the feed."""
        return FeedArchive(None if self.feed_directory is None else Path(self.feed_directory))

    def chain_archive(self, clock: Clock) -> ChainArchive:
        """Return the saved chains; one archive for all underlyings, whose options follow the same calendar."""
        directory = None if self.chain_directory is None else Path(self.chain_directory)
        return ChainArchive(directory, calendar_for(_OPTIONS_CALENDAR), clock)

    def policy(self) -> AttachPolicy:
        """Return the settings of the enrichment."""
        return AttachPolicy.of(self)

    def regime_parameters(self, symbol: str, registry: Registry) -> RegimeParameters:
        """Return the parameters of the regimes of a symbol: the user's file over the settings; the registry says which symbols exist.

        Raises:
            ConfigurationError: E180 to E182 if the user's file cannot be used.
        """
        known = registry.with_own_gamma
        return load_parameters(Path(self.regimes_toml), symbol, self, known_symbols=known)
