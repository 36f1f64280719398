"""From a user's symbol to what the vendor is asked for.

Belongs here: dataset aliases, the symbol mapping file, roots of futures, continuous symbols. Does not belong here: asking the vendor what a
continuous symbol means (``client.py``).

A root such as ``ES`` means the contract of our roll table on the trade date. A continuous symbol such as ``ES.v.0`` is the vendor's own
rule and is resolved there, to the raw contract of the trade date. Everything else is a raw symbol.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from ..errors import RefusedError, command
from ..instruments import Contract, Registry, RollTable

DATASET_ALIASES: Final[Mapping[str, str]] = {
    "NASDAQ.ITCH": "XNAS.ITCH",
    "NASDAQ.BASIC": "XNAS.BASIC",
    "NASDAQ.QBBO": "XNAS.QBBO",
    "NASDAQ.NLS": "XNAS.NLS",
    "NYSE.PILLAR": "XNYS.PILLAR",
    "NYSE.BBO": "XNYS.BBO",
    "NYSE.TRADES": "XNYS.TRADES",
    "NYSE.TRADESBBO": "XNYS.TRADESBBO",
}
"""Names of the earlier backfill, and the vendor's."""

_DATASET = re.compile(r"^[A-Z]{4}\.[A-Z0-9]{2,12}$")
_CONTINUOUS = re.compile(r"^[A-Z0-9]{1,6}\.[cnv]\.\d{1,2}$")
_CONTINUOUS_IN_CAPITALS = re.compile(r"^[A-Z0-9]{1,6}\.[CNV]\.\d{1,2}$")
_CONTRACT = re.compile(r"^(?P<root>[A-Z0-9]{1,4}?)(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{2})$")
_RAW_CONTRACT = re.compile(r"^(?P<root>[A-Z0-9]{1,4})(?P<month>[FGHJKMNQUVXZ])\d$")
_FIELDS = ("symbol", "dataset", "schema")


@dataclass(frozen=True, slots=True)
class VendorSymbol:
    """What the vendor is asked for.

    Attributes:
        symbol: as the user named it, in its one spelling.
        vendor_symbol: the name in the request; a continuous symbol still has to be resolved.
        stype_in: ``raw_symbol`` or ``continuous``.
        dataset: such as ``GLBX.MDP3``.
        schema: such as ``mbp-10``.
    """

    symbol: str
    vendor_symbol: str
    stype_in: str
    dataset: str
    schema: str


@dataclass(frozen=True, slots=True)
class MappedSymbol:
    """One entry of the mapping file; None where it says nothing."""

    symbol: str
    dataset: str | None = None
    schema: str | None = None


def canonical_dataset(name: str) -> str:
    """Return the vendor's name of a dataset.

    Raises:
        RefusedError: E366 if it has not the form of one.
    """
    text = name.strip().upper()
    text = DATASET_ALIASES.get(text, text)
    if _DATASET.match(text):
        return text
    raise RefusedError(
        "E366",
        f"not a dataset of DataBento: {name!r}, expected a name such as GLBX.MDP3 or XNAS.ITCH",
        f"the vendor was not asked; older names that are understood: {', '.join(DATASET_ALIASES)}",
        command("tp", "l2", "plan", "--help"),
    )


def read_symbol_mapping(path: Path | None) -> dict[str, MappedSymbol]:
    """Read the mapping file: ``{"LOCAL": "VENDOR"}`` or ``{"NAT": {"symbol": "NAT", "dataset": "BATS.PITCH", "schema": "mbp-10"}}``.

    A symbol without an entry stands for itself. Both forms may be mixed.

    Args:
        path: the file; None: no mapping.

    Raises:
        RefusedError: E365 it cannot be read, is not JSON, or an entry is not of one of the forms; names the line.
    """
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_mapping(path, None, str(error)) from error
    try:
        content = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise _bad_mapping(path, error.lineno, f"{error.msg} in column {error.colno}") from error
    except RecursionError as error:
        raise _bad_mapping(path, None, "it is nested too deeply") from error
    if not isinstance(content, _Pairs):
        raise _bad_mapping(path, 1, f"it holds a {type(content).__name__}, expected an object")
    found: dict[str, MappedSymbol] = {}
    for name, entry in content.pairs:
        line = _line_of(text, name)
        if name in found:
            raise _bad_mapping(path, line, f"{name!r} stands there twice")
        found[name] = _mapped(path, line, name, entry)
    return found


def canonical_symbol(symbol: str, mapping: Mapping[str, MappedSymbol], registry: Registry) -> str:
    """Return the one spelling under which a symbol is asked for, paid and stored.

    A name that the mapping file or the registry has is taken as it is written; any other in capitals, as venues write them, with the small
    letter of a continuous symbol: ``nvda`` is NVDA, ``es.v.0`` is ES.v.0.
    """
    return symbol if symbol in mapping or symbol in registry.instruments else in_capitals(symbol)


def in_capitals(symbol: str) -> str:
    """Return a symbol as venues write it; the rule of a continuous symbol is a small letter. What is not ASCII is no symbol and stays."""
    capitals = symbol.upper() if symbol.isascii() else symbol
    if not _CONTINUOUS_IN_CAPITALS.match(capitals):
        return capitals
    root, rule, number = capitals.split(".")
    return f"{root}.{rule.lower()}.{number}"


def vendor_symbol(
    symbol: str,
    trade_date: date,
    *,
    mapping: Mapping[str, MappedSymbol],
    registry: Registry,
    rolls: RollTable,
    default_dataset: str,
    schema: str,
) -> VendorSymbol:
    """Return what the vendor is asked for on a trade date.

    Args:
        symbol: root, contract, share, raw symbol or continuous symbol; see :func:`canonical_symbol`.
        trade_date: decides the contract of a root.
        mapping: of the mapping file; its entries win over the registry.
        registry: knows futures and their datasets.
        rolls: the contract of a root.
        default_dataset: for symbols that neither mapping nor registry knows.
        schema: unless the mapping names one.

    Raises:
        RefusedError: E366 a dataset that is none; E367 a symbol that is none.
    """
    if not symbol or symbol != symbol.strip() or "," in symbol or symbol == "ALL_SYMBOLS" or not symbol.isascii():
        raise RefusedError(
            "E367",
            f"not a symbol: {symbol!r}",
            "one symbol is needed; an empty one would mean all symbols of the venue; the vendor was not asked",
            command("tp", "l2", "plan", "--help"),
        )
    symbol = canonical_symbol(symbol, mapping, registry)
    entry = mapping.get(symbol)
    name = symbol if entry is None else entry.symbol
    raw, stype_in, known = _named(name, trade_date, registry, rolls)
    chosen = (None if entry is None else entry.dataset) or known or default_dataset
    used_schema = schema if entry is None or entry.schema is None else entry.schema
    return VendorSymbol(symbol, raw, stype_in, canonical_dataset(chosen), used_schema)


def raw_future(contract: Contract) -> str:
    """Return the vendor's name of a contract, with a one-digit year: ``ESZ5``."""
    return f"{contract.root}{contract.month_code}{contract.year % 10}"


def future_root(name: str, registry: Registry) -> str | None:
    """Return the root behind a root, a contract (``ESZ25``, ``ESZ5``) or a continuous symbol (``ES.v.0``); None for anything else."""
    candidates = [name]
    if _CONTINUOUS.match(name):
        candidates.append(name.partition(".")[0])
    match = _CONTRACT.match(name)
    if match is not None:
        candidates.append(match["root"])
    match = _RAW_CONTRACT.match(name)
    if match is not None:
        candidates.append(match["root"])
    return next((root for root in candidates if _is_future(root, registry)), None)


def _named(name: str, trade_date: date, registry: Registry, rolls: RollTable) -> tuple[str, str, str | None]:
    """Return the name for the vendor, how it is to be read, and the dataset that the registry knows."""
    if _CONTINUOUS.match(name):
        return name, "continuous", _dataset_of(name.partition(".")[0], registry)
    instrument = registry.instruments.get(name)
    if instrument is not None and instrument.is_future:
        return raw_future(rolls.front(name, trade_date)), "raw_symbol", _dataset_of(name, registry)
    match = _CONTRACT.match(name)
    if match is not None and _is_future(match["root"], registry):
        return raw_future(Contract.parse(name)), "raw_symbol", _dataset_of(match["root"], registry)
    if len(name) > 2 and name[-1].isdigit() and _is_future(name[:-2], registry):
        return name, "raw_symbol", _dataset_of(name[:-2], registry)
    return name, "raw_symbol", _dataset_of(name, registry)


def _is_future(root: str, registry: Registry) -> bool:
    instrument = registry.instruments.get(root)
    return instrument is not None and instrument.is_future


def _dataset_of(symbol: str, registry: Registry) -> str | None:
    instrument = registry.instruments.get(symbol)
    return None if instrument is None or instrument.databento is None else instrument.databento.dataset


class _Pairs:
    """An object of JSON with its names in order, double ones included."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _mapped(path: Path, line: int | None, name: str, entry: Any) -> MappedSymbol:
    if not name.strip():
        raise _bad_mapping(path, line, "an entry has an empty name")
    if isinstance(entry, str):
        entry = _Pairs([("symbol", entry)])
    if not isinstance(entry, _Pairs):
        raise _bad_mapping(path, line, f"{name!r} is {entry!r}, expected text or an object with {', '.join(_FIELDS)}")
    values = dict(entry.pairs)
    unknown = sorted(set(values) - set(_FIELDS))
    if unknown:
        raise _bad_mapping(path, line, f"{name!r} has the unknown key {unknown[0]!r}; known are {', '.join(_FIELDS)}")
    for key, value in values.items():
        if not isinstance(value, str) or not value.strip():
            raise _bad_mapping(path, line, f"{key} of {name!r} is {value!r}, expected text")
    dataset = values.get("dataset")
    if dataset is not None:
        try:
            dataset = canonical_dataset(dataset)
        except RefusedError as error:
            raise _bad_mapping(path, line, error.what) from error
    return MappedSymbol(values.get("symbol", name), dataset, values.get("schema"))


def _line_of(text: str, name: str) -> int | None:
    at = re.search(rf"{re.escape(json.dumps(name))}\s*:", text) or re.search(
        rf"{re.escape(json.dumps(name, ensure_ascii=False))}\s*:", text
    )
    return None if at is None else text.count("\n", 0, at.start()) + 1


def _bad_mapping(path: Path, line: int | None, detail: str) -> RefusedError:
    where = path.name if line is None else f"{path.name} line {line}"
    return RefusedError(
        "E365",
        f"symbol mapping rejected: {where}: {detail}",
        "with half a mapping other symbols would be bought; nothing was asked or paid",
        "tp config",
    )
