"""The elements of a JSON array, one batch at a time, without holding the array.

Belongs here: where one snapshot ends and the next begins, also in a damaged file. Does not belong here: what a snapshot holds
(``decode.py``), bytes on the disk (``reading.py``).

Two ways, and the parser decides which one was right. Usually a block is cut behind its last ``}`` and decoded as an array: if the parser
accepts the whole, the cut was between two elements, because a JSON text has one reading. A brace inside a string, a nested object or a
malformed element makes it refuse, and the same bytes are split at the beginnings of snapshots: ``{"`` and a known name and ``":``. In
valid JSON these bytes are always the beginning of an object (inside a string the quote would end the string), one inside another object is
stepped over, and in a damaged file they are where reading can go on, so a missing bracket or quote costs one snapshot and not the rest of
the day.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

# A snapshot of 99 strikes has 6 KB. More than this without an end is no snapshot, and must not fill the memory.
LARGEST_ELEMENT_BYTES: Final = 4 * 1024 * 1024
_MOST_VALUES: Final = 100
_SPACE: Final = b" \t\r\n"
_BETWEEN: Final = _SPACE + b","
_BOM: Final = b"\xef\xbb\xbf"
_UNFIT: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An element that is no snapshot.

    Attributes:
        position: number of the element in the array, from 0.
        reason: stable code.
        detail: what is wrong, in words.
        raw: its bytes.
    """

    position: int
    reason: str
    detail: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Elements(Generic[T]):
    """Consecutive elements of the array.

    Attributes:
        positions: number of each decoded element in the array.
        decoded: the elements that the decoder took.
        refusals: the others, by position.
        raw_of: returns the bytes of a decoded element by its index in ``decoded``.
    """

    positions: Sequence[int]
    decoded: list[T]
    refusals: list[Refusal]
    raw_of: Callable[[int], bytes]


class NotAnArrayError(ValueError):
    """The text does not begin as an array."""


class CutShortError(ValueError):
    """The text ends before its array does."""


class ElementSplitter(Generic[T]):
    """Split the text of an array into decoded elements.

    Args:
        element: type of an element for msgspec.
        names: keys with which an element may begin.
    """

    def __init__(self, element: type[T], names: Iterable[str]) -> None:
        self._many = msgspec.json.Decoder(list[element])  # type: ignore[valid-type]  # a type made at run time
        self._one = msgspec.json.Decoder(element)
        keys = b"|".join(re.escape(name.encode()) for name in names)
        self._start = re.compile(rb'\{\s*"(?:' + keys + rb')"\s*:')
        self._rest = b""
        self._position = 0

    @property
    def count(self) -> int:
        """Return the number of elements so far, refused ones included."""
        return self._position

    def split(self, blocks: Iterable[bytes]) -> Iterator[Elements[T]]:
        """Yield the elements block by block.

        Raises:
            NotAnArrayError: the text does not begin with ``[``.
            CutShortError: the closing ``]`` is missing.
        """
        opened = False
        for block in blocks:
            self._rest = self._rest + block if self._rest else block
            if not opened:
                opened = self._open()
                if not opened:
                    continue
            yield from self._whole_elements()
        if not opened:
            raise NotAnArrayError("nothing but white space")
        yield from self._last_elements()

    def _open(self) -> bool:
        """Step over the opening bracket; False if it has not come yet."""
        text = self._rest.removeprefix(_BOM).lstrip(_SPACE)
        if not text or text in (_BOM[:1], _BOM[:2]):
            return False
        if not text.startswith(b"["):
            raise NotAnArrayError(f"it begins with {text[:40]!r}")
        self._rest = text[1:]
        return True

    def _whole_elements(self) -> Iterator[Elements[T]]:
        """Yield what is complete for certain and keep the rest."""
        cut = self._rest.rfind(b"}") + 1
        if cut:
            found = self._as_array(self._rest[:cut].lstrip(_BETWEEN))
            if found is not None:
                self._rest = self._rest[cut:]
                yield found
                return
        starts = self._starts(self._rest)
        if len(starts) > 1 or (starts and starts[0] > 0):
            yield self._one_by_one(self._rest, [0, *starts])
            self._rest = self._rest[starts[-1] :]
        if len(self._rest) > LARGEST_ELEMENT_BYTES:
            yield self._refused(self._rest)
            self._rest = b""

    def _last_elements(self) -> Iterator[Elements[T]]:
        """Yield what is left when all has been read, up to the closing bracket."""
        text = self._rest.rstrip(_SPACE)
        if not text.endswith(b"]"):
            raise CutShortError(f"it ends after {self._position} whole elements with {text[-40:]!r}")
        body = text[:-1].rstrip(_BETWEEN)
        if not body.strip(_BETWEEN):
            return
        found = self._as_array(body.lstrip(_BETWEEN))
        if found is None:
            starts = self._starts(body)
            last = starts[-1] if starts else 0
            # The bracket at the end may be that of a ladder: then the last element is no whole value.
            if not body.endswith(b"}") and _end_of_value(_characters(body[last:].lstrip(_BETWEEN))) is None:
                raise CutShortError(f"it ends inside an element, behind {self._position} others and {len(body)} bytes")
            found = self._one_by_one(body, [0, *starts, len(body)])
        self._rest = b""
        yield found

    def _starts(self, text: bytes) -> list[int]:
        """Return where elements begin."""
        characters = _characters(text)
        found: list[int] = []
        after = 0
        for match in self._start.finditer(text):
            start = match.start()
            # Behind a colon stands the value of a key.
            if start < after or text[max(0, start - 16) : start].rstrip(_SPACE).endswith(b":"):
                continue
            found.append(start)
            after = _end_of_value(characters, start) or 0
        return found

    def _as_array(self, text: bytes) -> Elements[T] | None:
        """Decode consecutive elements at once; None if the parser does not accept the whole."""
        if not text:
            return None
        array = b"[%b]" % text
        try:
            decoded = self._many.decode(array)
        except _UNFIT:
            return None
        first = self._position
        self._position += len(decoded)
        return Elements(range(first, self._position), decoded, [], _RawElements(array))

    def _one_by_one(self, text: bytes, edges: list[int]) -> Elements[T]:
        """Decode the pieces between edges on their own."""
        positions: list[int] = []
        decoded: list[T] = []
        raws: list[bytes] = []
        refusals: list[Refusal] = []
        for first, stop in itertools.pairwise(edges):
            for raw in _values(text[first:stop].strip(_BETWEEN)):
                try:
                    decoded.append(self._one.decode(raw))
                except _UNFIT as error:
                    refusals.append(Refusal(self._position, _reason(error), str(error), raw))
                else:
                    positions.append(self._position)
                    raws.append(raw)
                self._position += 1
        return Elements(positions, decoded, refusals, raws.__getitem__)

    def _refused(self, raw: bytes) -> Elements[T]:
        refusal = Refusal(self._position, "not_json", f"{len(raw)} bytes without the beginning of a snapshot", raw)
        self._position += 1
        return Elements((), [], [refusal], lambda _: b"")


class _RawElements:
    """The bytes of the elements of an array, taken apart only when somebody asks."""

    def __init__(self, array: bytes) -> None:
        self._array = array
        self._raws: list[msgspec.Raw] | None = None

    def __call__(self, index: int) -> bytes:
        if self._raws is None:
            self._raws = msgspec.json.decode(self._array, type=list[msgspec.Raw])
        return bytes(self._raws[index])


def _values(text: bytes) -> Iterator[bytes]:
    """Yield the values of a piece: usually one; what follows it and is no JSON is one more."""
    if not text:
        return
    try:
        raws = msgspec.json.decode(b"[%b]" % text, type=list[msgspec.Raw])
    except _UNFIT:
        end = _end_of_value(_characters(text)) or len(text)
        yield text[:end]
        rest = text[end:].strip(_BETWEEN)
        if rest:
            yield rest
        return
    if len(raws) > _MOST_VALUES:  # numbers or words without end: one thing that is no snapshot
        yield text
        return
    yield from map(bytes, raws)


def _characters(text: bytes) -> str:
    """Return one character per byte, so that positions agree; all that structures JSON is ASCII."""
    return text.decode("latin-1")


def _end_of_value(characters: str, start: int = 0) -> int | None:
    """Return where the JSON value that begins at ``start`` ends; None if there is none or it has no end."""
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(characters, start)
    except (ValueError, RecursionError):
        return None
    return end


def _reason(error: Exception) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return "not_json"
    return "missing_key" if "missing required field" in str(error) else "wrong_type"
