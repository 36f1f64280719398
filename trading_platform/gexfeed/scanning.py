"""The structure of a JSON array that no parser accepts as a whole: where its values end, and where reading can go on.

Belongs here: values, brackets and strings. Does not belong here: what a value must hold (``elements.py``, ``decode.py``).

A valid value is one piece, whatever it holds and whatever key it begins with. A value that is damaged ends where its brackets close, or
before the next object that looks like an element, whichever comes first: one that begins with a key of the vendor or with the first key
of an element that was accepted before, or a valid one with a key of the vendor. Every byte but commas and white space between pieces
belongs to a piece, so nothing can be passed over without being counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_BETWEEN: Final = re.compile(r"[ \t\r\n,]*")
_SPACE: Final = " \t\r\n"
# Numbers and words in a row: all that is neither bracket nor string nor the colon behind a key.
_SCALARS: Final = re.compile(r'[^\[\]{}":]+')
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_FIRST_KEY: Final = re.compile(rb'\{\s*"([A-Za-z0-9_. -]{1,64})"\s*:')
_PARTNERS: Final = {"]": "[", "}": "{"}
# More numbers or words in a row than this are one thing that is no snapshot.
_MOST_SCALARS: Final = 100
_MOST_LEARNED: Final = 16
# Objects without an end that are looked into for each damaged value: more than the largest element has snapshots, and few enough for
# text that is nothing but brackets.
_MOST_TRIES: Final = 1_000
# A token that the end of the text cuts is reported at its beginning; literals, numbers and escapes are shorter than this.
_TOKEN: Final = 32
# Numbers stay text: they are only stepped over, and the longest cost nothing.
_DECODER: Final = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that is one element.

    Attributes:
        start: its first character.
        stop: the first one behind it; white space and commas at its end do not belong to it.
        is_broken: True if it is no JSON value.
    """

    start: int
    stop: int
    is_broken: bool = False


@dataclass(slots=True)
class _Scan:
    """What is known while a text is scanned.

    Attributes:
        characters: the text, one character per byte.
        patience: a value without an end is waited for while it is not longer than this; None if nothing more will come.
        pieces: found so far.
        loose: values that are no objects; what follows tells whether they are elements or the rest of a damaged one.
    """

    characters: str
    patience: int | None
    pieces: list[Piece] = field(default_factory=list)
    loose: list[Piece] = field(default_factory=list)

    def resume(self, at: int) -> int:
        """Return where the part begins that is not decided at a position."""
        return self.loose[0].start if self.loose else at

    def waits(self, at: int) -> bool:
        """Tell whether more text may decide what begins at a position."""
        return self.patience is not None and len(self.characters) - self.resume(at) <= self.patience

    def keep_loose(self) -> None:
        """Take the loose values for elements of their own."""
        self.pieces += self.loose
        self.loose.clear()

    def add_loose(self, values: list[Piece]) -> None:
        """Add loose values; too many of them are one thing that is no snapshot."""
        self.loose += values
        if len(self.loose) > _MOST_SCALARS:
            self.pieces.append(Piece(self.loose[0].start, self.loose[-1].stop, is_broken=True))
            self.loose.clear()

    def damaged(self, at: int, stop: int) -> None:
        """Take a damaged value; loose ones before it are the rest of one that has lost its beginning, if it is no object itself."""
        if self.characters[at] == "{":
            self.keep_loose()
        self.pieces.append(Piece(self.resume(at), stop, is_broken=True))
        self.loose.clear()


class Scanner:
    """Splits text by its structure.

    Args:
        names: keys of the vendor.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._first_keys = set(self._names)
        self._start = self._pattern()

    def _pattern(self) -> re.Pattern[str]:
        keys = "|".join(re.escape(name) for name in sorted(self._first_keys))
        return re.compile(r'\{\s*"(?:' + keys + r')"\s*:')

    def learn(self, element: bytes) -> None:
        """Note the first key of an element that was accepted: where a damaged one ends, the next one may begin with it, too."""
        match = _FIRST_KEY.match(element)
        if match is None or len(self._first_keys) >= len(self._names) + _MOST_LEARNED:
            return
        key = match[1].decode("ascii")
        if key not in self._first_keys:
            self._first_keys.add(key)
            self._start = self._pattern()

    def pieces(self, characters: str, patience: int | None) -> tuple[list[Piece], int]:
        """Split text into elements.

        Args:
            characters: the text between the brackets of the array from the beginning of an element on, one character per byte.
            patience: see :class:`_Scan`; None for the last part of the array.

        Returns:
            The elements, and where the part begins that only more text can decide.
        """
        scan = _Scan(characters, patience)
        at = _next(characters, 0)
        while at < len(characters):
            stop = self._step(scan, at)
            if stop is None:
                return scan.pieces, scan.resume(at)
            at = _next(characters, stop)
        if patience is not None and scan.loose:
            return scan.pieces, scan.resume(at)
        scan.keep_loose()
        return scan.pieces, len(characters)

    def _step(self, scan: _Scan, at: int) -> int | None:
        """Take the value that begins here and return where it stops; None if only more text can tell."""
        characters = scan.characters
        is_object = characters[at] == "{"
        stop, is_broken = (
            _value(characters, at) if is_object else _loose(characters, at, more=scan.patience is not None)
        )
        if stop is None:
            if scan.waits(at) and not is_broken:
                return None
            stop = self._behind_damage(characters, at)
            if stop is None and scan.waits(at):
                return None
            stop = len(characters) if stop is None else stop
            scan.damaged(at, stop)
        elif is_object:
            scan.keep_loose()
            scan.pieces.append(Piece(at, stop))
        else:
            scan.add_loose(_values(characters, at, stop))
        return stop

    def _behind_damage(self, characters: str, at: int) -> int | None:
        """Return where a damaged value ends; None if that cannot be told from this text."""
        # Mostly its brackets close before the next object begins, which is quickly seen.
        following = characters.find("{", at + 1)
        closed = _closed(characters, at, len(characters) if following < 0 else following)
        if closed is not None or following < 0:
            return closed
        start = self._element_start(characters, following)
        closed = _closed(characters, at, len(characters) if start is None else start)
        return start if closed is None else closed

    def _element_start(self, characters: str, at: int) -> int | None:
        """Return where the next object begins that looks like an element."""
        tries = _MOST_TRIES
        while (at := characters.find("{", at)) >= 0:
            # Behind a colon stands the value of a key.
            if characters[max(0, at - _TOKEN) : at].rstrip(_SPACE).endswith(":"):
                at += 1
                continue
            if self._start.match(characters, at):
                return at
            if not tries:
                at += 1
                continue
            try:
                value, end = _DECODER.raw_decode(characters, at)
            except (ValueError, RecursionError):
                at += 1
                tries -= 1
                continue
            if not self._names.isdisjoint(value):
                return at
            at = end
        return None


def _next(characters: str, at: int) -> int:
    """Step over white space and commas."""
    match = _BETWEEN.match(characters, at)
    return at if match is None else match.end()


def _value(characters: str, at: int) -> tuple[int | None, bool]:
    """Return where the JSON value that begins here ends, None if it has no end; and whether more text cannot give it one."""
    try:
        _, end = _DECODER.raw_decode(characters, at)
    except json.JSONDecodeError as error:
        is_at_end = error.pos >= len(characters.rstrip(_SPACE)) - _TOKEN or error.msg.startswith("Unterminated string")
        return None, not is_at_end
    except RecursionError:
        return None, True
    return end, False


def _loose(characters: str, at: int, *, more: bool) -> tuple[int | None, bool]:
    """Return where an array, a string or numbers and words in a row end, the comma behind them included; None and why not as ``_value``."""
    if characters[at] in '["':
        end, is_broken = _value(characters, at)
        if end is None:
            return None, is_broken
    else:
        match = _SCALARS.match(characters, at)
        if match is None:  # a closing bracket or a colon
            return None, True
        end = match.end()
        if characters[at:end].rstrip(_SPACE).endswith(","):
            return end, False
    behind = characters[end : end + 2 * _TOKEN].lstrip(_SPACE)[:1]
    if behind == "," or (not behind and not more):
        return end, False
    return None, bool(behind)


def _values(characters: str, start: int, stop: int) -> list[Piece]:
    """Return the values of a loose stretch: one array, one string, or numbers and words."""
    if characters[start] in '["' or characters.count(",", start, stop) > _MOST_SCALARS:
        return [Piece(start, stop)]
    found = []
    for text in characters[start:stop].split(","):
        if text.strip(_SPACE):
            found.append(Piece(start, start + len(text)))
        start += len(text) + 1
    return found


def _closed(characters: str, at: int, stop: int) -> int | None:
    """Return where the brackets that open here are closed, by brackets and strings alone; None if they are not, or cross."""
    if characters[at] not in "{[":
        return None
    opened: list[str] = []
    for match in _STRUCTURE.finditer(characters, at, stop):
        part = match[0]
        if part in "{[":
            opened.append(part)
        elif part in "]}":
            if opened.pop() != _PARTNERS[part]:
                return None
            if not opened:
                return match.end()
    return None
