"""The elements of a JSON array, one batch at a time, without holding the array.

Belongs here: where one snapshot ends and the next begins, also in a damaged file. Does not belong here: what a snapshot holds
(``decode.py``), bytes on the disk (``reading.py``).

Two ways, and the parser decides which one was right. Usually a block is cut behind its last ``}`` and decoded as an array: if the parser
accepts the whole, the cut was between two elements, because a JSON text has one reading. A brace inside a string, a nested object or a
malformed element makes it refuse, and the same bytes are split by their structure (``scanning.py``): every value is one element, what is
no value reaches to the next snapshot, and every byte belongs to an accepted or to a refused element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from .scanning import Piece, Scanner

T = TypeVar("T")

# A snapshot of 99 strikes has 6 KB. More than this without an end is no snapshot, and must not fill the memory.
LARGEST_ELEMENT_BYTES: Final = 4 * 1024 * 1024
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
        self._scanner = Scanner(names)
        self._rest = b""
        self._enough = 0
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
        if len(self._rest) < self._enough:
            return
        cut = self._rest.rfind(b"}") + 1
        if cut:
            found = self._as_array(self._rest[:cut].lstrip(_BETWEEN))
            if found is not None:
                self._rest = self._rest[cut:]
                yield found
                return
        pieces, resume = self._scanner.pieces(_characters(self._rest), LARGEST_ELEMENT_BYTES)
        if pieces:
            yield self._one_by_one(self._rest, pieces)
        self._rest = self._rest[resume:]
        # A beginning without an end is looked at again when there is twice as much of it.
        self._enough = 0 if resume else 2 * len(self._rest)

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
            pieces, _ = self._scanner.pieces(_characters(body), None)
            # The bracket at the end may be that of a ladder: then the last element has no end.
            if pieces[-1].is_broken and body[pieces[-1].start] in b"{[" and not body.endswith(b"}"):
                raise CutShortError(f"it ends inside an element, behind {self._position} others and {len(body)} bytes")
            found = self._one_by_one(body, pieces)
        self._rest = b""
        yield found

    def _as_array(self, text: bytes) -> Elements[T] | None:
        """Decode consecutive elements at once; None if the parser does not accept the whole."""
        if not text:
            return None
        array = b"[%b]" % text
        try:
            decoded = self._many.decode(array)
        except _UNFIT:
            return None
        self._scanner.learn(text)
        first = self._position
        self._position += len(decoded)
        return Elements(range(first, self._position), decoded, [], _RawElements(array))

    def _one_by_one(self, text: bytes, pieces: Iterable[Piece]) -> Elements[T]:
        """Decode each piece on its own."""
        positions: list[int] = []
        decoded: list[T] = []
        raws: list[bytes] = []
        refusals: list[Refusal] = []
        for piece in pieces:
            raw = text[piece.start : piece.stop].strip(_BETWEEN)
            try:
                decoded.append(self._one.decode(raw))
            except _UNFIT as error:
                refusals.append(Refusal(self._position, _reason(error), str(error), raw))
            else:
                positions.append(self._position)
                raws.append(raw)
                self._scanner.learn(raw)
            self._position += 1
        return Elements(positions, decoded, refusals, raws.__getitem__)


class _RawElements:
    """The bytes of the elements of an array, taken apart only when somebody asks."""

    def __init__(self, array: bytes) -> None:
        self._array = array
        self._raws: list[msgspec.Raw] | None = None

    def __call__(self, index: int) -> bytes:
        if self._raws is None:
            self._raws = msgspec.json.decode(self._array, type=list[msgspec.Raw])
        return bytes(self._raws[index])


def _characters(text: bytes) -> str:
    """Return one character per byte, so that positions agree; all that structures JSON is ASCII."""
    return text.decode("latin-1")


def _reason(error: Exception) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return "not_json"
    return "missing_key" if "missing required field" in str(error) else "wrong_type"
