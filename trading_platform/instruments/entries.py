"""One table of a registry file, checked and turned into an ``Instrument``.

Belongs here: which keys exist, their types and ranges. Does not belong here: reading and merging files (``registry.py``).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import ConfigurationError
from .model import (
    MONTH_CODES,
    DatabentoSymbology,
    IbSymbology,
    Instrument,
    InstrumentKind,
    RollAnchor,
    RollRule,
    SierraSymbology,
)

SIERRA_STYLES = ("fut", "dash", "dot", "bare")
"""Styles of Sierra Chart file names: MNQZ25_FUT_CME, NQM26-CME, MNQM6.CME, ESZ20."""

_REQUIRED = ("name", "kind", "exchange", "calendar", "tick_size", "multiplier_usd", "price_band")
_OPTIONAL = ("months", "allows_negative", "gex_underlying", "chain_underlying", "roll", "sierra", "databento", "ib")
_IB_TYPES = ("FUT", "IND", "STK")
_DATABENTO_SYMBOLOGIES = ("parent", "raw_symbol")
_MAX_WEEKDAYS_BEFORE = 30


class _Table:
    """A TOML table that knows where it stands, so that every complaint names the key."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, Mapping):
            raise _error(
                "E123", f"{where}: expected a table, was {values!r}", "the value was not used and nothing was changed"
            )
        self.values: Mapping[str, Any] = values
        self.where = where

    def check_keys(self, required: tuple[str, ...], optional: tuple[str, ...] = (), hint: str = "") -> None:
        known = required + optional
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                suggestion = f"; did you mean {near[0]}?" if near else ""
                raise _error(
                    "E122",
                    f"unknown key {key!r} in {self.where}{suggestion}",
                    f"known keys are {', '.join(known)}; a misspelt key would silently change nothing",
                )
        missing = [key for key in required if key not in self.values]
        if missing:
            raise _error(
                "E124",
                f"{self.where} lacks {', '.join(missing)}{hint}",
                "a symbol that is not in the packaged registry must be defined completely",
            )

    def get(self, key: str, expected: str, accept: Callable[[Any], bool], default: Any = None) -> Any:
        value = self.values.get(key, default)
        if key in self.values and not accept(value):
            raise _error(
                "E123",
                f"{key} in {self.where}: expected {expected}, was {value!r}",
                "the value was not used and nothing was changed",
            )
        return value

    def text(self, key: str) -> str:
        return str(self.get(key, "a text", _is_text))

    def optional_text(self, key: str) -> str | None:
        return None if key not in self.values else self.text(key)

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        return str(self.get(key, f"one of {', '.join(choices)}", lambda value: value in choices))

    def positive(self, key: str) -> float:
        return float(self.get(key, "a number above zero", _is_positive))


def instrument_from_table(symbol: str, values: object, where: str, hint: str) -> Instrument:
    """Turn a merged table into an instrument.

    Args:
        symbol: its registry symbol.
        values: the table as read from TOML.
        where: file and table, for messages.
        hint: added to the message of E124, such as a near symbol.

    Raises:
        ConfigurationError: E122 unknown key, E123 wrong value, E124 missing key.
    """
    table = _Table(values, where)
    table.check_keys(_REQUIRED, _OPTIONAL, hint)
    kind = InstrumentKind(table.choice("kind", tuple(InstrumentKind)))
    band = table.get("price_band", "two rising numbers [lowest, highest]", _is_band)
    if kind is InstrumentKind.FUTURE:
        future = tuple(key for key in ("months", "roll") if key not in table.values)
        if future:
            raise _error(
                "E124",
                f"{where} lacks {', '.join(future)}{hint}",
                "a future needs its contract months and its roll rule",
            )
    return Instrument(
        symbol=symbol,
        name=table.text("name"),
        kind=kind,
        exchange=table.text("exchange"),
        calendar=table.text("calendar"),
        tick_size=table.positive("tick_size"),
        multiplier_usd=table.positive("multiplier_usd"),
        months=table.get("months", "month codes in calendar order, e.g. HMUZ", _is_months, ""),
        price_band=(float(band[0]), float(band[1])),
        allows_negative=table.get(
            "allows_negative", "true or false", lambda value: isinstance(value, bool), default=False
        ),
        roll=_roll(table),
        sierra=_sierra(table),
        databento=_databento(table),
        ib=_ib(table),
        gex_underlying=table.optional_text("gex_underlying"),
        chain_underlying=table.optional_text("chain_underlying"),
    )


def _roll(parent: _Table) -> RollRule | None:
    if "roll" not in parent.values:
        return None
    table = _Table(parent.values["roll"], f"{parent.where}.roll")
    table.check_keys(("anchor", "weekdays_before"), ("skip",))
    expected = f"a whole number from 0 to {_MAX_WEEKDAYS_BEFORE}"
    weekdays = table.get(
        "weekdays_before", expected, lambda value: type(value) is int and 0 <= value <= _MAX_WEEKDAYS_BEFORE
    )
    months = parent.values.get("months", "")
    skip = table.get(
        "skip",
        "some of the months, in calendar order",
        lambda value: _is_months(value) and bool(set(months) - set(value)),
        "",
    )
    return RollRule(RollAnchor(table.choice("anchor", tuple(RollAnchor))), weekdays, skip)


def _sierra(parent: _Table) -> SierraSymbology | None:
    if "sierra" not in parent.values:
        return None
    table = _Table(parent.values["sierra"], f"{parent.where}.sierra")
    table.check_keys(("exchange", "price_scales"), ("preferred_style",))
    scales = _Table(table.values["price_scales"], f"{table.where}.price_scales")
    scales.check_keys((), SIERRA_STYLES)
    return SierraSymbology(
        exchange=table.text("exchange"),
        price_scales=MappingProxyType(
            {style: scales.positive(style) for style in SIERRA_STYLES if style in scales.values}
        ),
        preferred_style=table.choice("preferred_style", SIERRA_STYLES) if "preferred_style" in table.values else None,
    )


def _databento(parent: _Table) -> DatabentoSymbology | None:
    if "databento" not in parent.values:
        return None
    table = _Table(parent.values["databento"], f"{parent.where}.databento")
    table.check_keys(("dataset", "symbol", "symbology"))
    return DatabentoSymbology(
        table.text("dataset"), table.text("symbol"), table.choice("symbology", _DATABENTO_SYMBOLOGIES)
    )


def _ib(parent: _Table) -> IbSymbology | None:
    if "ib" not in parent.values:
        return None
    table = _Table(parent.values["ib"], f"{parent.where}.ib")
    table.check_keys(("symbol", "security_type", "exchange", "currency"), ("primary_exchange",))
    return IbSymbology(
        symbol=table.text("symbol"),
        security_type=table.choice("security_type", _IB_TYPES),
        exchange=table.text("exchange"),
        currency=table.text("currency"),
        primary_exchange=table.optional_text("primary_exchange"),
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_band(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(_is_number(edge) for edge in value) and value[0] < value[1]
    )


def _is_months(value: Any) -> bool:
    if not isinstance(value, str) or not value or any(code not in MONTH_CODES for code in value):
        return False
    positions = [MONTH_CODES.index(code) for code in value]
    return positions == sorted(set(positions))


def _error(code: str, what: str, why: str) -> ConfigurationError:
    return ConfigurationError(code, what, why, "tp instruments list")
