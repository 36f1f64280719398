"""Parameters of the regimes: defaults, ranges, and the user's file over them.

Belongs here: every number that shapes a regime. Does not belong here: the rules that use them (``rules.py``, ``states.py``).
The defaults are those of the published design (distances 0.25 and 0.5 sigma, coverage 70 %, dwell 2 min); a default with another origin
says so. Each parameter changes some output: ``test_r2_every_parameter_changes_some_output``.

Limits that enrichment has as well (latency and staleness of the feed, cadence and latency of the chains) come from the settings
(``TP_GEX_LATENCY_MS``, ``TP_GEX_STALE_AFTER_MS``, ``TP_CHAIN_CADENCE_S``, ``TP_CHAIN_LATENCY_MS``), so both judge the same snapshot alike
unless told otherwise.

``<home>/regimes.toml`` changes all of them, settings included, for all symbols or for one::

    [all]
    min_dwell_s = 180
    [symbols.SPX]
    chain_cadence_s = 60
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigurationError
from ..settings import CHAIN_STALE_CADENCES, GammaSettings, default_of

FILE_NAME: Final = "regimes.toml"
_SHOWN_BITS: Final = 64
_NOTHING_DONE: Final = (
    "a regime made with a wrong or misspelt parameter would look like a right one; nothing was read or written"
)


class State(StrEnum):
    """The regimes; exactly one holds at any observation.

    positive_pin: net gamma positive, spot above zero gamma, a steady wall close by. positive: the same without the wall.
    transition: close to zero gamma, balanced, or sign and side disagree. negative: net gamma negative, spot below zero gamma.
    negative_expansion: the same while net falls. unknown: the data do not say.
    """

    POSITIVE_PIN = "positive_pin"
    POSITIVE = "positive"
    TRANSITION = "transition"
    NEGATIVE = "negative"
    NEGATIVE_EXPANSION = "negative_expansion"
    UNKNOWN = "unknown"


STATES: Final = tuple(State)


def _number(default: float, low: float, high: float, text: str) -> Any:
    """Declare a parameter with its inclusive range."""
    return field(default=default, metadata={"low": low, "high": high, "text": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeParameters:
    """What the regimes of one symbol are made with; each field says its meaning, unit and range in its metadata.

    ``*_enter`` and ``*_exit`` are the two levels of a hysteresis: a state is entered at the one and kept until the other.

    Raises:
        ConfigurationError: E182 if a value is out of its range or contradicts another one.
    """

    short_window_min: int = _number(5, 1, 120, "short window, minutes: level breaks")
    medium_window_min: int = _number(15, 1, 120, "medium window, minutes: slopes and stability that the rules use")
    long_window_min: int = _number(30, 2, 240, "long window, minutes: realised volatility")
    min_coverage_frac: float = _number(0.7, 0.1, 1.0, "observed share of a window below which its features are null")
    # Not in the design, which says "a full window": a second lost here and there must not keep a regime unknown for ever.
    full_coverage_frac: float = _number(0.9, 0.1, 1.0, "observed share of the medium window that ends unknown")
    feed_cadence_s: float = _number(1.0, 0.1, 600.0, "seconds between snapshots of the feed in regular hours")
    # Free chain files refresh about every five minutes; a faster source fulfils a slower cadence as well.
    chain_cadence_s: float = _number(
        float(default_of("chain_cadence_s")), 1.0, 3_600.0, "seconds between chain snapshots"
    )
    feed_staleness_s: float = _number(
        default_of("gex_stale_after_ms") / 1_000, 0.001, 3_600.0, "age from which a feed snapshot says nothing, seconds"
    )
    chain_staleness_cadences: float = _number(
        float(CHAIN_STALE_CADENCES), 1.0, 20.0, "the same for chains, in cadences"
    )
    feed_latency_ms: int = _number(
        default_of("gex_latency_ms"), 0, 600_000, "from the stamp of a feed snapshot to when it can be known"
    )
    chain_latency_ms: int = _number(
        default_of("chain_latency_ms"), 0, 3_600_000, "from the stamp of a chain to when it can be known"
    )
    sigma_horizon_min: float = _number(
        30.0, 1.0, 390.0, "horizon of the sigma in which distances are measured, minutes"
    )
    # 252 days of 390 minutes: within the session, variance accrues in trading time.
    minutes_per_year: float = _number(98_280.0, 50_000.0, 525_960.0, "minutes over which annual volatility accrues")
    realised_step_s: float = _number(60.0, 5.0, 600.0, "step of the returns of realised volatility, seconds")
    net_to_gross_enter: float = _number(0.05, 0.0, 0.5, "net to gross above which a sign is believed")
    net_to_gross_exit: float = _number(0.04, 0.0, 0.5, "net to gross down to which it stays believed")
    flip_enter_sigma: float = _number(0.25, 0.0, 3.0, "distance from zero gamma above which a side is taken")
    flip_exit_sigma: float = _number(0.20, 0.0, 3.0, "distance from zero gamma down to which it is kept")
    pin_enter_sigma: float = _number(0.5, 0.0, 5.0, "distance to a wall up to which spot counts as pinned")
    pin_exit_sigma: float = _number(0.625, 0.0, 5.0, "distance to a wall up to which it stays pinned")
    wall_stability_enter: float = _number(0.8, 0.0, 1.0, "share of the medium window with the same wall to be pinned")
    wall_stability_exit: float = _number(0.64, 0.0, 1.0, "share of the medium window with the same wall to stay pinned")
    # Below half a strike step of SPX (4 bp) and NDX (2 bp), above the drift of a basis within one window.
    same_wall_frac: float = _number(0.0001, 0.0, 0.01, "two strikes within this share of spot are the same wall")
    max_oi_dropped_pct: float = _number(
        5.0, 0.0, 100.0, "open interest that is tolerated to be unknown or without volatility"
    )
    # 15 %: the outer edge of the gaps seen between own and vendor gamma of sound files.
    max_vendor_gap_pct: float = _number(15.0, 0.0, 100.0, "gap of own to vendor gamma of a side that is tolerated")
    min_dwell_s: float = _number(120.0, 0.0, 3_600.0, "time over which a new state must hold before it is entered")
    min_observations: int = _number(2, 1, 1_000, "consecutive observations that must agree on a new state")
    flip_risk_sigma: float = _number(1.0, 0.0, 10.0, "distance from zero gamma up to which flip_risk is set")
    zero_dte_dominant_frac: float = _number(0.5, 0.0, 1.0, "share of gross gamma above which zero_dte_dominant is set")

    def __post_init__(self) -> None:
        """Check ranges and pairs."""
        for item in fields(self):
            _check(item, getattr(self, item.name))
        _rising(self, "short_window_min", "medium_window_min", "long_window_min")
        _rising(self, "min_coverage_frac", "full_coverage_frac")
        for name in ("net_to_gross", "wall_stability"):
            _rising(self, f"{name}_exit", f"{name}_enter")
        _rising(self, "flip_exit_sigma", "flip_enter_sigma")
        _rising(self, "pin_enter_sigma", "pin_exit_sigma")

    @property
    def hash(self) -> str:
        """Return the first 8 hex digits of the sha256 of all values; it stands in every row."""
        text = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def resolved(self) -> dict[str, float]:
        """Return every value by name, for fingerprints; equal parameters give equal values, written 2 or 2.0."""
        return {name: float(value) for name, value in asdict(self).items()}


def load_parameters(
    path: Path | None,
    symbol: str,
    settings: GammaSettings | None = None,
    *,
    known_symbols: Collection[str] | None = None,
) -> RegimeParameters:
    """Return the defaults with the settings over them and the user's changes over both.

    Args:
        path: ``regimes.toml``; None or an absent file changes nothing.
        symbol: its table ``[symbols.<symbol>]`` wins over ``[all]``.
        settings: of enrichment and regimes alike; None for their defaults.
        known_symbols: symbols that may have a table: those of the registry with gamma exposure of their own; None looks at no spelling.

    Raises:
        ConfigurationError: E180 if the file cannot be read, E181 for an unknown key or symbol, E182 for a value of the wrong type or range.
    """
    stored = read_toml(path)
    where = "" if path is None else path.name
    refuse_unknown(stored, ("all", "symbols"), where)
    own = dict(table_of(stored, "all", where))
    known = tuple(item.name for item in fields(RegimeParameters))
    refuse_unknown(own, known, f"{where} [all]")
    per_symbol = table_of(stored, "symbols", where)
    if known_symbols is not None:
        refuse_unknown(per_symbol, tuple(known_symbols), f"{where} [symbols]")
    for name in per_symbol:
        refuse_unknown(table_of(per_symbol, name, f"{where} [symbols]"), known, f"{where} [symbols.{name}]")
    own.update(per_symbol.get(symbol, {}))
    return RegimeParameters(**{**_of_settings(settings), **own})


def _of_settings(settings: GammaSettings | None) -> dict[str, float]:
    """Return the parameters that the settings decide unless the file says otherwise."""
    if settings is None:
        return {}
    return {
        "feed_latency_ms": settings.gex_latency_ms,
        "feed_staleness_s": settings.gex_stale_after_ms / 1_000,
        "chain_cadence_s": float(settings.chain_cadence_s),
        "chain_latency_ms": settings.chain_latency_ms,
    }


def read_toml(path: Path | None) -> Mapping[str, Any]:
    """Read a TOML file of the user; an absent one is empty.

    Raises:
        ConfigurationError: E180 if it cannot be read or is not TOML.
    """
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (
        OSError,
        ValueError,
        RecursionError,
    ) as error:  # ValueError: no TOML, no UTF-8, a number of thousands of digits
        raise ConfigurationError(
            "E180",
            f"{path.name} cannot be read: {error}",
            "the file changes the regimes of this home and is no TOML, or may not be opened; nothing was read or written",
            "tp config",
        ) from error


def table_of(stored: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    """Return a table of a TOML file, empty if it is absent.

    Raises:
        ConfigurationError: E182 if there is something else under that name.
    """
    table = stored.get(name, {})
    if not isinstance(table, Mapping):
        raise ConfigurationError(
            "E182", f"{name} in {where}: expected a table, was {_shown(table)}", _NOTHING_DONE, "tp config"
        )
    return table


def refuse_unknown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Refuse keys that nobody reads.

    Raises:
        ConfigurationError: E181, with the nearest known key.
    """
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1) or difflib.get_close_matches(key.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known keys: {', '.join(known)}"
            raise ConfigurationError("E181", f"unknown key {key!r} in {where}{hint}", _NOTHING_DONE, "tp config")


def _check(item: Field[Any], value: object) -> None:
    low, high = item.metadata["low"], item.metadata["high"]
    whole = isinstance(item.default, int)
    is_number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    # Infinity, NaN and whole numbers that no float can hold all fail the comparison.
    if is_number and low <= value <= high:
        return
    kind = "a whole number" if whole else "a number"
    raise ConfigurationError(
        "E182",
        f"{item.name} ({item.metadata['text']}): expected {kind} from {low:g} to {high:g}, was {_shown(value)}",
        _NOTHING_DONE,
        "tp config",
    )


def _shown(value: object) -> str:
    """Return a value for a message; Python refuses to write whole numbers of thousands of digits."""
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return f"a whole number of {value.bit_length()} bits"
    return repr(value)


def _rising(parameters: RegimeParameters, *names: str) -> None:
    values = [getattr(parameters, name) for name in names]
    if values != sorted(values):
        found = ", ".join(f"{name} = {value:g}" for name, value in zip(names, values, strict=True))
        expected = " <= ".join(names)
        raise ConfigurationError("E182", f"expected {expected}, was {found}", _NOTHING_DONE, "tp config")
