"""The ``.scid`` file: its header and the errors it can have.

Belongs here: what makes a file a readable ``.scid`` file. Does not belong here: how bytes are read (``record_file.py``), what records mean
(``decode.py``) and where a day lies (``index.py``).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..errors import SourceError
from ..lake import SourceChangedError
from .format import DEPTH_MAGIC, HEADER_SIZE, MAGIC, RECORD, RECORD_SIZE, ScidHeader
from .record_file import BLOCK_RECORDS, READ_ATTEMPTS, RETRY_PAUSE_S, RecordFile


class ScidFile(RecordFile):
    """An open ``.scid`` file, see :class:`RecordFile`.

    Attributes:
        header: its header.

    Raises:
        SourceError: E200 shorter than its header; E201 wrong magic; E202 wrong header or record size; E203 cannot be opened or read. While
            reading E204 (a ``SourceChangedError``): the file shrank.
    """

    RECORD: ClassVar[np.dtype[np.void]] = RECORD
    HEADER_BYTES: ClassVar[int] = HEADER_SIZE

    header: ScidHeader

    @property
    def synthetic(self) -> bool:
        """Tell whether the header says that the file was generated."""
        return self.header.synthetic

    def _accept_header(self, raw: bytes, size: int) -> int:
        if raw[:4] == DEPTH_MAGIC or (len(raw) >= 4 and raw[:4] != MAGIC):
            raise SourceError(
                "E201",
                f"{self.name} does not start with {MAGIC!r}: found {raw[:4]!r}",
                f"a file that starts with {DEPTH_MAGIC!r} holds market depth, anything else is not a Sierra Chart intraday file",
                self._inspect,
            )
        if len(raw) < HEADER_SIZE:
            raise SourceError(
                "E200",
                f"{self.name} has {size} bytes, expected at least the {HEADER_SIZE} of a header",
                "Sierra Chart may be creating it right now, or a copy was interrupted; other files are not affected",
                self._inspect,
            )
        self.header = header = ScidHeader.parse(raw)
        if header.record_size != RECORD_SIZE or not HEADER_SIZE <= header.header_size <= size:
            raise SourceError(
                "E202",
                f"{self.name} says header size {header.header_size} and record size {header.record_size}, "
                f"expected {HEADER_SIZE} to {size} and {RECORD_SIZE}",
                "the header is damaged or of an unknown format version; reading on would misplace every record",
                self._inspect,
            )
        return header.header_size

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(
            "E203",
            f"{self.name} cannot be read: {error.strerror or error}",
            "permissions, a missing network share, or a folder or pipe of that name; other files are not affected",
            self._inspect,
        )

    def _shrank(self, index: int) -> SourceChangedError:
        return SourceChangedError(
            "E204",
            f"{self.name} became smaller while it was read, at record {index}: expected at least {self.stat.st_size} bytes",
            "something truncates or rewrites the file right now; nothing was stored, an older partition is intact",
            self._inspect,
        )

    @property
    def _inspect(self) -> str:
        return f"tp sierra inspect {self.path}"


__all__ = ["BLOCK_RECORDS", "READ_ATTEMPTS", "RETRY_PAUSE_S", "ScidFile"]
