"""The ``.depth`` file: its header and the errors it can have.

Belongs here: what makes a file a readable ``.depth`` file. Does not belong here: how bytes are read (``record_file.py``) and what records
mean (``decode.py``).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...errors import SourceError
from ...lake import SourceChangedError
from ..format import DEPTH_MAGIC, MAGIC
from ..record_file import RecordFile
from .format import HEADER_BYTES, HEADER_SIZE_MIN, RECORD, RECORD_SIZE, DepthHeader


class DepthFile(RecordFile):
    """An open ``.depth`` file, see :class:`RecordFile`.

    Attributes:
        header: its header.

    Raises:
        SourceError: E221 shorter than its header; E222 wrong magic; E223 wrong header or record size; E224 cannot be opened or read. While
            reading E225 (a ``SourceChangedError``): the file shrank.
    """

    RECORD: ClassVar[np.dtype[np.void]] = RECORD
    HEADER_BYTES: ClassVar[int] = HEADER_BYTES

    header: DepthHeader

    @property
    def synthetic(self) -> bool:
        """Tell whether the header says that the file was generated."""
        return self.header.synthetic

    def _accept_header(self, raw: bytes, size: int) -> int:
        if len(raw) >= 4 and raw[:4] != DEPTH_MAGIC:
            raise SourceError(
                "E222",
                f"{self.name} does not start with {DEPTH_MAGIC!r}: found {raw[:4]!r}",
                f"a file that starts with {MAGIC!r} holds intraday records and is named .scid; anything else is not a market depth file",
                self._remedy,
            )
        if len(raw) < HEADER_SIZE_MIN:
            raise SourceError(
                "E221",
                f"{self.name} has {size} bytes, expected at least the {HEADER_SIZE_MIN} of a header",
                "Sierra Chart may be creating it right now, or a copy was interrupted; other files are not affected",
                self._remedy,
            )
        self.header = header = DepthHeader.parse(raw)
        if header.record_size != RECORD_SIZE or not HEADER_SIZE_MIN <= header.header_size <= size:
            raise SourceError(
                "E223",
                f"{self.name} says header size {header.header_size} and record size {header.record_size}, "
                f"expected {HEADER_SIZE_MIN} to {size} and {RECORD_SIZE}",
                "the header is damaged or of an unknown format version; reading on would misplace every record",
                self._remedy,
            )
        return header.header_size

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(
            "E224",
            f"{self.name} cannot be read: {error.strerror or error}",
            "permissions, a missing network share, or a folder or pipe of that name; other files are not affected",
            self._remedy,
        )

    def _shrank(self, index: int) -> SourceChangedError:
        return SourceChangedError(
            "E225",
            f"{self.name} became smaller while it was read, at record {index}: expected at least {self.stat.st_size} bytes",
            "something truncates or rewrites the file right now; nothing was stored, an older partition is intact",
            self._remedy,
        )

    @property
    def _remedy(self) -> str:
        # There is no command that looks into a depth file: its name and state are all that a person can act on.
        return "tp doctor"
