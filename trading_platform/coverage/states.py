"""What can be said of one day of one dataset, and how it looks.

Belongs here: the states, their order of gravity, letters and colours. Does not belong here: how a day gets its state (``judge.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a day stands."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    EMPTY = "empty"
    CLOSED = "closed"
    DEGRADED = "degraded"
    MISSING = "missing"
    QUARANTINED = "quarantined"
    STALE = "stale"
    REFRESH_FAILED = "refresh_failed"
    NOT_DUE = "not_due"
    NOT_EXPECTED = "not_expected"

    @property
    def is_settled(self) -> bool:
        """Tell whether nobody needs to read a reason: the data are there, or none are expected."""
        return self in _SETTLED

    @property
    def needs_work(self) -> bool:
        """Tell whether ``tp status --strict`` fails because of it."""
        return self in _NEEDS_WORK


_SETTLED = frozenset({State.COMPLETE, State.EMPTY, State.CLOSED, State.NOT_DUE, State.NOT_EXPECTED})
_NEEDS_WORK = frozenset({State.MISSING, State.REFRESH_FAILED, State.STALE})

GRAVITY: tuple[State, ...] = (
    State.NOT_EXPECTED,
    State.NOT_DUE,
    State.CLOSED,
    State.COMPLETE,
    State.EMPTY,
    State.QUARANTINED,
    State.DEGRADED,
    State.PARTIAL,
    State.STALE,
    State.REFRESH_FAILED,
    State.MISSING,
)
"""From harmless to grave. A day that is several things at once is the gravest of them, and a week is its gravest day; the position in
this tuple is the code of a state in the arrays of a board."""

CODE_OF: dict[State, int] = {state: code for code, state in enumerate(GRAVITY)}


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown.

    Attributes:
        letter: one character, the same in the terminal and in pictures, so that nothing rests on colour alone.
        colour: hexadecimal colour. After Okabe and Ito, "Color Universal Design" (2008): told apart by people with any colour vision;
            lightness differs as well.
        ink: colour of a letter on it.
        named_colour: short name of a colour near to it, for pictures in which every character counts.
        style: colour in a terminal, as rich spells it.
        meaning: one line for legends.
    """

    letter: str
    colour: str
    ink: str
    named_colour: str
    style: str
    meaning: str


LOOKS: dict[State, Look] = {
    State.COMPLETE: Look("■", "#009e73", "#ffffff", "teal", "green", "stored, made after its session had ended"),
    State.EMPTY: Look("o", "#8fd3bd", "#000000", "tan", "dim green", "the source confirms that there is nothing"),
    State.CLOSED: Look("·", "#e4e4e4", "#666666", "silver", "dim", "no session on this date"),
    State.PARTIAL: Look("P", "#f0e442", "#000000", "gold", "yellow", "made before its session had ended"),
    State.DEGRADED: Look("D", "#56b4e9", "#000000", "cyan", "cyan", "stored, the source calls its quality reduced"),
    State.QUARANTINED: Look("Q", "#0072b2", "#ffffff", "blue", "blue", "stored, some records were refused"),
    State.STALE: Look(
        "S", "#e69f00", "#000000", "orange", "bright_yellow", "upstream, code, roll table or calendar changed since"
    ),
    State.REFRESH_FAILED: Look("R", "#cc79a7", "#000000", "magenta", "magenta", "refresh failed, old data kept"),
    State.MISSING: Look("M", "#a3212c", "#ffffff", "red", "red", "should be there and is not"),
    State.NOT_DUE: Look("_", "#f7f7f7", "#999999", "white", "dim", "its session is not over yet"),
    State.NOT_EXPECTED: Look(
        " ", "#ffffff", "#999999", "white", "dim", "before the first stored day, or never asked for"
    ),
}
