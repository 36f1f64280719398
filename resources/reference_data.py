"""Instruments and rolls as a resource: assets only read them."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from trading_platform.instruments import Registry, RollTable, load_registry, load_roll_table


class ReferenceDataResource(dg.ConfigurableResource[Registry]):
    """What instruments are and which contract is in front.

    Attributes:
        instruments_toml: the user's overrides of the packaged registry; a missing file means none.
        rolls_csv: the user's explicit roll table; a missing file means the calendar rule.
    """

    instruments_toml: str
    rolls_csv: str

    def registry(self) -> Registry:
        """Read the registry."""
        return load_registry(Path(self.instruments_toml))

    def rolls(self, registry: Registry) -> RollTable:
        """Read the roll table."""
        return load_roll_table(registry, Path(self.rolls_csv))
