"""From rules to states: dwell, recovery, one walk over the rows of a session.

Belongs here: the hysteresis in time. Does not belong here: the rules themselves (``rules.py``), text (``reasons.py``).

* A new state is entered when its condition has held for ``min_observations`` consecutive observations that span ``min_dwell_s``, and
  the present one has lasted as long. While it is waited for, its own exit levels hold, so that a value that trembles around an entry
  level does not begin the count again with every observation.
* ``positive_pin`` is positive as well, and ``negative_expansion`` negative: where a row asks now for the one, now for the other, the
  plain state of their side is entered.
* ``unknown`` is entered at once. It is left only after a full medium window of good data: no faulty row within one window, at least
  ``full_coverage_frac`` of it observed, and a condition that has held as long as for any other change. So the first 15 minutes of a
  session are unknown.
* The walk starts unknown with the first row of the session and knows nothing else: the states before t depend on the rows before t only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .features import Features, SessionObservations
from .parameters import STATES, RegimeParameters, State
from .rules import RuleTable, side_of

_MINUTE_US: Final = 60_000_000
DWELL: Final = "dwell"
RECOVERY: Final = "recovery"
_PLAIN: Final = {1: State.POSITIVE, -1: State.NEGATIVE}


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one row.

    Attributes:
        state: the regime from this row on.
        rule: the state that the row asks for.
        judged_by: the state whose hysteresis levels the rule was judged by: the one before this row, or the one that is waited for.
        previous: the last other state, None if there was none in the session.
        entered_us: when ``state`` was entered, epoch microseconds.
        held: why ``rule`` is not yet ``state``: ``dwell`` or ``recovery``; None if they are the same.
        good_since_us: first row of the present run without faulty rows; None in a faulty row.
    """

    state: State
    rule: State
    judged_by: State
    previous: State | None
    entered_us: int
    held: str | None
    good_since_us: int | None


def walk(rows: SessionObservations, features: Features, table: RuleTable, parameters: RegimeParameters) -> list[Step]:
    """Return one step per row."""
    walker = _Walker(parameters, rows.cadence_us(parameters), int(rows.ts[0]))
    candidates = {state: [STATES[code] for code in codes.tolist()] for state, codes in table.candidate.items()}
    full = (features.numbers["coverage_medium_frac"] >= parameters.full_coverage_frac).tolist()
    steps = []
    for row, ts in enumerate(rows.ts.tolist()):
        if table.bad_row[row] is not None:
            steps.append(walker.lose(ts, is_faulty=True))
        elif table.bad_window[row] is not None:
            steps.append(walker.lose(ts, is_faulty=False))
        else:
            steps.append(walker.ask(ts, {state: rules[row] for state, rules in candidates.items()}, is_full=full[row]))
    return steps


@dataclass(slots=True)
class _Run:
    """Consecutive rows that agree."""

    side: int = 0
    rows: int = 0
    since_us: int = 0

    def add(self, ts: int) -> None:
        """Count one more row."""
        if self.rows == 0:
            self.since_us = ts
        self.rows += 1


class _Walker:
    """The state so far; made anew for every session."""

    def __init__(self, parameters: RegimeParameters, cadence_us: int, start_us: int) -> None:
        self._dwell_us = round(parameters.min_dwell_s * 1_000_000)
        self._least = parameters.min_observations
        # The first good row stands for the cadence before it, as in the coverage of a window.
        self._recovery_us = parameters.medium_window_min * _MINUTE_US - cadence_us
        self.state = State.UNKNOWN
        self._previous: State | None = None
        self._entered_us = start_us
        self._good_since_us: int | None = None
        self._pending: State | None = None
        self._pending_run = _Run()
        self._side_run = _Run()

    def lose(self, ts: int, *, is_faulty: bool) -> Step:
        """Take a row that says nothing: unknown at once."""
        before = self.state
        if is_faulty:
            self._good_since_us = None
        else:
            self._seen_good(ts)
        if before is not State.UNKNOWN:
            self._enter(State.UNKNOWN, ts)
        self._forget()
        return self._step(State.UNKNOWN, before, None)

    def ask(self, ts: int, rules: Mapping[State, State], *, is_full: bool) -> Step:
        """Take a good row; ``rules`` says what it asks for, coming from each state."""
        before, good_since = self.state, self._seen_good(ts)
        rule, judged_by = rules[before], before
        if rule is before:
            self._forget()
            return self._step(rule, judged_by, None)
        if self._pending is not None and rules[self._pending] is self._pending:
            rule = judged_by = self._pending
        if rule is not self._pending:
            self._pending, self._pending_run = rule, _Run()
        self._pending_run.add(ts)
        self._follow_side(ts, side_of(rule))
        if before is State.UNKNOWN and not (is_full and ts - good_since >= self._recovery_us):
            return self._step(rule, judged_by, RECOVERY)
        if before is State.UNKNOWN or ts - self._entered_us >= self._dwell_us:
            if self._has_lasted(self._pending_run, ts):
                self._enter(rule, ts)
                self._forget()
            elif self._has_lasted(self._side_run, ts):
                self._enter(_PLAIN[side_of(rule)], ts)
                self._side_run = _Run()
        return self._step(rule, judged_by, None if self.state is rule else DWELL)

    def _follow_side(self, ts: int, side: int) -> None:
        """Count rows that ask for the same side of zero gamma, which is not the present one."""
        if side == 0 or side == side_of(self.state):
            self._side_run = _Run()
            return
        if side != self._side_run.side:
            self._side_run = _Run(side=side)
        self._side_run.add(ts)

    def _has_lasted(self, run: _Run, ts: int) -> bool:
        return run.rows >= self._least and ts - run.since_us >= self._dwell_us

    def _forget(self) -> None:
        self._pending, self._pending_run, self._side_run = None, _Run(), _Run()

    def _seen_good(self, ts: int) -> int:
        if self._good_since_us is None:
            self._good_since_us = ts
        return self._good_since_us

    def _enter(self, state: State, ts: int) -> None:
        self._previous, self.state, self._entered_us = self.state, state, ts

    def _step(self, rule: State, judged_by: State, held: str | None) -> Step:
        return Step(self.state, rule, judged_by, self._previous, self._entered_us, held, self._good_since_us)
