"""Gamma exposure as a resource: the folders of feed files and option chains, and how both are used."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from trading_platform.chains import ChainArchive
from trading_platform.clock import Clock
from trading_platform.enrichment import AttachPolicy
from trading_platform.gexfeed import FeedArchive
from trading_platform.regimes import RegimeParameters, load_parameters
from trading_platform.sessions import calendar_for

_OPTIONS_CALENDAR = "NYSE"


class GammaResource(dg.ConfigurableResource[FeedArchive]):
    """Where gamma data come from and what may be attached to a row.

    Attributes:
        feed_directory: folder with history files of the gamma feed; None if there is none on this machine.
        chain_directory: folder with saved option chains; None if there is none.
        regimes_toml: the user's changes to the parameters of regimes; a missing file means none.
        category: category of the feed that is used.
        latency_ms: a snapshot is known this long after its time.
        stale_after_ms: oldest age of a snapshot in regular hours of the underlying.
        stale_outside_ms: the same outside them.
        chain_stale_after_ms: oldest age of levels from a chain of regular hours.
    """

    feed_directory: str | None = None
    chain_directory: str | None = None
    regimes_toml: str
    category: str = "gex_full"
    latency_ms: int = 0
    stale_after_ms: int = 60_000
    stale_outside_ms: int = 600_000
    chain_stale_after_ms: int = 1_800_000

    def feed_archive(self) -> FeedArchive:
        """Return the history files of the feed."""
        return FeedArchive(None if self.feed_directory is None else Path(self.feed_directory))

    def chain_archive(self, clock: Clock) -> ChainArchive:
        """Return the saved chains; one archive for all underlyings, whose options follow the same calendar."""
        directory = None if self.chain_directory is None else Path(self.chain_directory)
        return ChainArchive(directory, calendar_for(_OPTIONS_CALENDAR), clock)

    def policy(self) -> AttachPolicy:
        """Return the settings of the enrichment."""
        return AttachPolicy(
            self.category, self.latency_ms, self.stale_after_ms, self.stale_outside_ms, self.chain_stale_after_ms
        )

    def regime_parameters(self, symbol: str) -> RegimeParameters:
        """Return the parameters of the regimes of a symbol.

        Raises:
            ConfigurationError: E180 to E182 if the user's file cannot be used.
        """
        return load_parameters(Path(self.regimes_toml), symbol)
