"""The Sierra Chart archive as a resource."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from trading_platform.instruments import Registry
from trading_platform.lake.stat_cache import StatCache
from trading_platform.sierra import SierraArchive
from trading_platform.sierra.depth import DepthArchive


class SierraArchiveResource(dg.ConfigurableResource[SierraArchive]):
    """Where ``.scid`` and ``.depth`` files lie.

    Attributes:
        directory: Sierra Chart's data folder; None if there is none on this machine.
        sources_toml: register of single files outside the folder (``tp import``).
        cache_dir: folder for file indexes and hashes; can be deleted at any time.
    """

    directory: str | None = None
    sources_toml: str
    cache_dir: str

    def archive(self, registry: Registry) -> SierraArchive:
        """Return the archive."""
        directory = None if self.directory is None else Path(self.directory)
        return SierraArchive(directory, Path(self.sources_toml), registry, Path(self.cache_dir))

    def depth_archive(self, registry: Registry) -> DepthArchive:
        """Return the archive of market depth files."""
        return DepthArchive(None if self.directory is None else Path(self.directory), registry, Path(self.cache_dir))

    def stat_cache(self) -> StatCache:
        """Return the cache of source hashes."""
        return StatCache(Path(self.cache_dir) / "source_hashes.sqlite")
