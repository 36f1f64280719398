"""The registry: packaged instruments with the user's changes merged over them.

Belongs here: loading, merging and validating the two TOML files. Does not belong here: writing them (``edit.py``).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import ConfigurationError
from .entries import SIERRA_STYLES, instrument_from_table
from .model import Instrument

__all__ = ["PACKAGED_REGISTRY", "SIERRA_STYLES", "Registry", "load_registry"]

PACKAGED_REGISTRY = Path(__file__).with_name("registry.toml")
_USER_KEYS = ("active", "instruments", "preferred_style")


@dataclass(frozen=True)
class Registry:
    """All known instruments and the ones the user works with.

    Attributes:
        instruments: symbol -> instrument, in the order of the files.
        active: instruments that get assets, in the user's order; empty if the user has named none.
    """

    instruments: Mapping[str, Instrument]
    active: tuple[Instrument, ...] = field(default=())

    @property
    def with_assets(self) -> tuple[Instrument, ...]:
        """Return what gets assets: the active instruments, then the series that describe the gamma exposure of active futures.

        A future and its series belong together: without the series the enrichment of the future would be made from nothing.
        """
        described = [one.gex_underlying for one in self.active if one.is_future and one.gex_underlying is not None]
        symbols = dict.fromkeys([*(one.symbol for one in self.active), *described])
        return tuple(self.get(symbol) for symbol in symbols)

    @property
    def with_own_gamma(self) -> tuple[str, ...]:
        """Return the symbols that have gamma exposure of their own, active or not."""
        return tuple(one.symbol for one in self.instruments.values() if one.has_own_gamma)

    def gamma_of(self, instrument: Instrument) -> Instrument | None:
        """Return what describes the gamma exposure of an instrument; None if nothing does, or nothing of it is stored.

        Raises:
            ConfigurationError: E120 if the registry does not know it.
        """
        if instrument.gex_underlying is None:
            return None
        described_by = self.get(instrument.gex_underlying)
        return described_by if described_by.has_own_gamma else None

    def chains_of(self, instrument: Instrument) -> Instrument | None:
        """Return whose option chains describe an instrument beside the feed; None if none do, or if these have no assets.

        Raises:
            ConfigurationError: E120 if the registry does not know it.
        """
        if instrument.chain_underlying is None:
            return None
        described_by = self.get(instrument.chain_underlying)
        return described_by if described_by.has_chains and described_by in self.with_assets else None

    def spelled(self, text: str) -> str:
        """Return the symbol that a person means: as written, else the only one that differs in capitals alone, else the text itself."""
        if text in self.instruments:
            return text
        same = [symbol for symbol in self.instruments if symbol.casefold() == text.casefold()]
        return same[0] if len(same) == 1 else text

    def get(self, symbol: str) -> Instrument:
        """Return one instrument.

        Raises:
            ConfigurationError: E120 if the symbol is unknown; names the nearest ones.
        """
        instrument = self.instruments.get(symbol)
        if instrument is None:
            raise ConfigurationError(
                "E120",
                f"unknown instrument {symbol!r}{_did_you_mean(symbol, self.instruments)}",
                "it is neither in the packaged registry nor in instruments.toml; nothing was read or written",
                "tp instruments list",
            )
        return instrument


def load_registry(instruments_toml: Path | None = None) -> Registry:
    """Load the packaged registry and merge the user's file over it.

    Args:
        instruments_toml: ``<home>/instruments.toml``. None or a file that does not exist gives the packaged registry with nothing
            active. Keys: ``active = ["ES", ...]``; ``preferred_style`` for all futures; ``[instruments.<SYMBOL>]`` tables whose keys
            override single fields, or that define a new instrument completely.

    Raises:
        ConfigurationError: E121 not readable as TOML, E122 unknown key, E123 value of the wrong type or range, E124 key missing in a
            new instrument, E120 unknown symbol in ``active``.
    """
    if instruments_toml is None or not instruments_toml.is_file():
        return _packaged()
    where = instruments_toml.name
    user = _read(instruments_toml)
    for key in user:
        if key not in _USER_KEYS:
            raise ConfigurationError(
                "E122",
                f"unknown key {key!r} in {where}{_did_you_mean(key, _USER_KEYS)}",
                f"the file may hold {', '.join(_USER_KEYS)}; a misspelt key would silently change nothing",
                "tp instruments list",
            )
    instruments = dict(_packaged().instruments)
    for symbol, table in _overrides(user, where).items():
        packaged = _packaged_tables().get(symbol, {})
        hint = "" if packaged else _did_you_mean(symbol, _packaged_tables())
        instruments[symbol] = instrument_from_table(
            symbol, _merge(packaged, table), f"{where} [instruments.{symbol}]", hint
        )
    active = _active(user, where)
    registry = Registry(MappingProxyType(instruments))
    return Registry(registry.instruments, tuple(registry.get(symbol) for symbol in active))


def _overrides(user: Mapping[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    """Return the user's tables per symbol, with the file-wide preferred style filled in for every future."""
    tables = user.get("instruments", {})
    if not isinstance(tables, Mapping):
        raise _wrong(where, "instruments", tables, "tables such as [instruments.MNQ]")
    overrides: dict[str, Mapping[str, Any]] = {}
    for symbol, table in tables.items():
        if not isinstance(table, Mapping):
            raise _wrong(where, f"instruments.{symbol}", table, "a table")
        overrides[symbol] = table
    style = user.get("preferred_style")
    if style is None:
        return overrides
    if style not in SIERRA_STYLES:
        raise _wrong(where, "preferred_style", style, f"one of {', '.join(SIERRA_STYLES)}")
    for symbol, instrument in _packaged().instruments.items():
        if instrument.sierra is not None:
            overrides[symbol] = _merge({"sierra": {"preferred_style": style}}, overrides.get(symbol, {}))
    return overrides


def _active(user: Mapping[str, Any], where: str) -> list[str]:
    active = user.get("active", [])
    if not isinstance(active, list) or not all(isinstance(symbol, str) for symbol in active):
        raise _wrong(where, "active", active, 'a list of symbols such as ["ES", "MNQ"]')
    if len(set(active)) != len(active):
        raise _wrong(where, "active", active, "each symbol once")
    return active


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(
            "E121",
            f"cannot read {path.name}: {error}",
            "the file is not valid TOML or not accessible; nothing was changed",
            "tp config",
        ) from error


@cache
def _packaged_tables() -> Mapping[str, Mapping[str, Any]]:
    tables: Mapping[str, Mapping[str, Any]] = _read(PACKAGED_REGISTRY)["instruments"]
    return tables


@cache
def _packaged() -> Registry:
    instruments = {
        symbol: instrument_from_table(symbol, table, f"{PACKAGED_REGISTRY.name} [instruments.{symbol}]", "")
        for symbol, table in _packaged_tables().items()
    }
    return Registry(MappingProxyType(instruments))


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        existing = merged.get(key)
        merged[key] = _merge(existing, value) if isinstance(existing, Mapping) and isinstance(value, Mapping) else value
    return merged


def _did_you_mean(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word.upper() if isinstance(known, Mapping) else word, list(known), n=3, cutoff=0.5)
    return f"; did you mean {', '.join(near)}?" if near else ""


def _wrong(where: str, key: str, value: object, expected: str) -> ConfigurationError:
    return ConfigurationError(
        "E123",
        f"{key} in {where}: expected {expected}, was {value!r}",
        "the value was not used and nothing was changed",
        "tp instruments list",
    )
