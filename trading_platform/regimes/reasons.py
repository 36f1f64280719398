"""The reason of every row, as text that a program can take apart again.

Belongs here: ``key=value;key=value`` from the values and limits that were used. Does not belong here: deciding (``rules.py``,
``states.py``).

Keys, in this order: ``rule``, what it was decided by, ``state`` and ``held`` where the rule does not hold yet, ``prev``,
``dwell_s``, ``params``. Nothing here is written by hand: limits come from the parameters and from the state it was judged by. Example::

    rule=positive_pin;net_to_gross=0.12;dist_flip_sigma=1.42;wall=6500;wall_dist_sigma=0.31;...;prev=positive;dwell_s=180;params=7f3a90c1
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import rules
from .features import Features, SessionObservations
from .parameters import RegimeParameters, State
from .rules import RuleTable, pinning_wall
from .states import RECOVERY, Step

SEPARATOR: Final = ";"


class ReasonWriter:
    """Write the reasons of the rows of one session.

    Args:
        rows: the observations.
        features: their features.
        table: what the rules gave.
        parameters: with which limits.
    """

    def __init__(
        self, rows: SessionObservations, features: Features, table: RuleTable, parameters: RegimeParameters
    ) -> None:
        self._table = table
        self._parameters = parameters
        self._hash = parameters.hash
        self._missing = rows.missing
        # Lists, because reading single values of arrays takes several times as long.
        self._value = {name: values.tolist() for name, values in {**rows.columns, **features.numbers}.items()}
        self._age_ms = (features.age_us // 1_000).tolist()
        self._ts = rows.ts.tolist()
        self._stale_ms = rows.staleness_us(parameters) // 1_000
        self._wall = {
            is_pinned: pinning_wall(features.numbers, parameters, is_pinned=is_pinned).tolist()
            for is_pinned in (True, False)
        }
        self._unknown: dict[str, Callable[[int], str]] = {
            "missing": lambda row: f"missing={self._missing[row]}",
            "stale": self._stale,
            "gap": lambda row: f"gap_ms={(self._ts[row] - self._ts[row - 1]) // 1_000};limit_ms={self._stale_ms}",
            "oi_dropped": lambda row: self._above("oi_dropped_pct", row, parameters.max_oi_dropped_pct),
            "vendor_gap": lambda row: self._above("vendor_gap_pct", row, parameters.max_vendor_gap_pct),
            "no_crossing_balanced": lambda row: self._above("net_to_gross", row, parameters.net_to_gross_enter),
            "coverage": lambda row: self._above("coverage_medium_frac", row, parameters.min_coverage_frac),
        }

    def reason(self, row: int, step: Step) -> str:
        """Return the reason of one row."""
        parts = [f"rule={step.rule}", self._evidence(row, step)]
        if step.held is not None:
            parts.append(f"state={step.state};held={step.held}")
        if step.held == RECOVERY and step.good_since_us is not None:
            parts.append(f"good_s={(self._ts[row] - step.good_since_us) / 1e6:g}")
        parts.append(f"prev={step.previous or 'none'};dwell_s={(self._ts[row] - step.entered_us) / 1e6:g}")
        parts.append(f"params={self._hash}")
        return SEPARATOR.join(part for part in parts if part)

    def _evidence(self, row: int, step: Step) -> str:
        if step.rule is State.UNKNOWN:
            return self._why_unknown(row)
        if step.rule is State.TRANSITION:
            return self._why_transition(row, step)
        parts = f"net_to_gross={self._value['net_to_gross'][row]:.6g};{self._flip(row)}"
        if step.rule is State.POSITIVE_PIN:
            name = "call_wall" if self._wall[step.judged_by is State.POSITIVE_PIN][row] == 1 else "put_wall"
            wall, distance = self._value[name][row], self._value[f"dist_{name}_sigma"][row]
            share = self._value[f"{name}_stability_frac"][row]
            return f"{parts};wall={wall:.10g};wall_dist_sigma={distance:.6g};wall_stability={share:.6g}"
        if step.rule is State.NEGATIVE_EXPANSION:
            return f"{parts};net_slope_per_min={self._value['naive_gex_net_slope_medium_per_min'][row]:.6g}"
        return parts

    def _why_unknown(self, row: int) -> str:
        cause = self._table.bad_row[row] or self._table.bad_window[row] or "none"
        detail = self._unknown.get(cause)
        return f"why={cause}" if detail is None else f"why={cause};{detail(row)}"

    def _why_transition(self, row: int, step: Step) -> str:
        distance, ratio = self._value["dist_flip_sigma"][row], self._value["net_to_gross"][row]
        net, side = self._value["naive_gex_net"][row], rules.side_of(step.judged_by)
        parameters = self._parameters
        flip_level = parameters.flip_exit_sigma if distance * side > 0 else parameters.flip_enter_sigma
        net_level = parameters.net_to_gross_exit if net * side > 0 else parameters.net_to_gross_enter
        if abs(distance) <= flip_level:
            return f"why=near_flip;dist_flip_sigma={distance:.6g};limit={flip_level:g}"
        if abs(ratio) <= net_level:
            return f"why=balanced;net_to_gross={ratio:.6g};limit={net_level:g}"
        return f"why=sign_conflict;net={net:.6g};net_to_gross={ratio:.6g};{self._flip(row)}"

    def _flip(self, row: int) -> str:
        distance = self._value["dist_flip_sigma"][row]
        return f"dist_flip_sigma={distance:.6g}" if distance == distance else "n_crossings=0"  # noqa: PLR0124 - NaN differs from itself

    def _stale(self, row: int) -> str:
        age = self._age_ms[row]
        return f"gex_age_ms={age if age >= 0 else 'unknown'};limit_ms={self._stale_ms}"

    def _above(self, name: str, row: int, limit: float) -> str:
        return f"{name}={self._value[name][row]:.6g};limit={limit:g}"


def parse_reason(text: str) -> dict[str, str]:
    """Take a reason apart.

    Raises:
        ValueError: if a part has no ``=``.
    """
    parts = {}
    for part in text.split(SEPARATOR):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"Expected key=value, was {part!r}")
        parts[key] = value
    return parts
