"""Reading ``.dbn`` and ``.dbn.zst`` files with ten-level books, in bounded memory.

Belongs here: opening, the metadata and its errors, blocks of whole records, damage of the container. Does not belong here: whether the
records are those that were asked for (``verify.py``) and what they mean (``decode.py``).

The vendor's reader takes a file that was cut between two records for a complete one, by design. Here a compressed file must end with a
whole frame, and the payload with a whole record.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from ..errors import VendorError, command
from .format import (
    LATEST_VERSION,
    MAGIC,
    METADATA_SIZE_MAX,
    PRELUDE_SIZE,
    RECORD,
    RECORD_HEAD,
    RECORD_SIZE,
    SCHEMA,
    SYNTHETIC_MARK,
    ZSTD_MAGIC,
    Records,
    as_bytes,
)
from .zstd_frames import Frame, IncompleteFrameError, NoFrameError, frames

# A block and its columns stay near the L2 cache; decompressed straight into it, so nothing is allocated per read.
BLOCK_RECORDS = 4_096
_READ_BYTES = 65_536
ANY_SCHEMA: Final = "*"
_WHOLE_BYTES_MAX = 64 * 1024 * 1024
_SKIPPABLE_HEADER = 8


@dataclass(frozen=True)
class DbnMetadata:
    """What a file says about itself.

    Attributes:
        version: DBN version as written.
        dataset: such as ``XNAS.ITCH``.
        schema: such as ``mbp-10``; None for a mixed live recording.
        start_ns: start of the query, epoch nanoseconds UTC, inclusive.
        end_ns: its end, exclusive; None if open.
        limit: record limit of the query; None without one.
        symbols: as requested.
        partial: symbols that were found on some of the dates only.
        not_found: symbols that were not found.
        stype_in: how symbols were requested; None if mixed.
        mappings: requested symbol to intervals (first date, end date exclusive, instrument id as text).
    """

    version: int
    dataset: str
    schema: str | None
    start_ns: int
    end_ns: int | None
    limit: int | None
    symbols: tuple[str, ...]
    partial: tuple[str, ...]
    not_found: tuple[str, ...]
    stype_in: str | None
    mappings: Mapping[str, tuple[tuple[date, date, str], ...]]

    def instrument_ids(self, symbol: str) -> frozenset[int]:
        """Return every instrument id that a requested symbol meant on any date of the file; empty if it is not in the file."""
        return frozenset(int(target) for _, _, target in self.mappings.get(symbol, ()) if target.isdigit())


class DbnFile:
    """An open file; its metadata are read and its container is checked, as far as that needs no decompression.

    Args:
        path: the file, ``.dbn`` or ``.dbn.zst``; told by its content, not its name.
        schema: that it must hold; ``ANY_SCHEMA`` to look first.

    Attributes:
        path: the file.
        size_bytes: its size.
        metadata: what it says about itself.
        synthetic: True if it carries the mark of simulated data.

    Raises:
        VendorError: E300 no DBN file; E301 DBN version above 3; E302 another schema; E303 cut short; E304 damaged; E305 cannot be read.
    """

    def __init__(self, path: Path, schema: str = SCHEMA) -> None:
        self.path = path
        self._schema = schema
        try:
            self._handle = io.FileIO(path, "rb", opener=_open_at_once)
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            status = os.fstat(self._handle.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(22, "not a regular file")
            self.size_bytes = status.st_size
            self._frames = self._container()
            self.synthetic = any(self._is_mark(frame) for frame in self._frames if frame.skippable)
            with self._payload() as payload:
                self.metadata, self._header_bytes = self._read_metadata(payload)
            self._require_schema()
        except OSError as error:
            self._handle.close()
            raise self._unreadable(error) from error
        except BaseException:
            self._handle.close()
            raise

    @property
    def name(self) -> str:
        """Return the file's name without its folder."""
        return self.path.name

    @property
    def is_compressed(self) -> bool:
        """Tell whether the file is compressed."""
        return bool(self._frames)

    @cached_property
    def sha256(self) -> str:
        """Return the hash of the file's bytes."""
        hasher = hashlib.sha256()
        buffer = memoryview(bytearray(1 << 20))
        at = 0
        while got := os.preadv(self._handle.fileno(), [buffer], at):
            hasher.update(buffer[:got])
            at += got
        return hasher.hexdigest()

    def blocks(self, buffer: Records | None = None) -> Iterator[tuple[int, Records]]:
        """Yield ``(index of the first record, records)``; a block is valid until the next one is asked for.

        Args:
            buffer: contiguous array of ``RECORD`` that the blocks are read into; default: ``BLOCK_RECORDS`` new ones.

        Raises:
            VendorError: E303 the last record is cut; E304 the data do not decompress or fail their checksum; E305 cannot be read;
                E310 a record of another type.
        """
        block: Records = np.empty(BLOCK_RECORDS, RECORD) if buffer is None else buffer
        target = memoryview(as_bytes(block).data)
        heads = block.view(np.uint16)[:: RECORD_SIZE // 2]
        at = 0
        with self._payload() as payload:
            self._fill(payload, memoryview(bytearray(self._header_bytes)))
            while True:
                got = self._fill(payload, target)
                if got % RECORD_SIZE:
                    # A record of another length shifts all that follow, and is the more telling error.
                    self._require_heads(heads[: got // RECORD_SIZE], at)
                    raise self._cut(f"{got % RECORD_SIZE} bytes follow record {at + got // RECORD_SIZE - 1}")
                count = got // RECORD_SIZE
                if count == 0:
                    return
                self._require_heads(heads[:count], at)
                yield at, block[:count]
                at += count

    def whole(self, dtype: np.dtype[np.void], head: int) -> Records:
        """Return all records of a small file, e.g. the bars of a day.

        Args:
            dtype: layout of a record.
            head: its first two bytes, length in words and type, little-endian.

        Raises:
            VendorError: as :meth:`blocks`.
        """
        room = bytearray(_WHOLE_BYTES_MAX)
        with self._payload() as payload:
            self._fill(payload, memoryview(bytearray(self._header_bytes)))
            got = self._fill(payload, memoryview(room))
        rest = got % dtype.itemsize
        heads = np.frombuffer(room, np.uint16, got // 2)[:: dtype.itemsize // 2]
        self._require_heads(heads[: got // dtype.itemsize], 0, head, dtype.itemsize)
        if rest or got == len(room):
            raise self._cut(f"{rest} bytes follow record {got // dtype.itemsize - 1}")
        return np.frombuffer(room, dtype, got // dtype.itemsize)

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _container(self) -> list[Frame]:
        """Return the zstd frames; none for a file that is not compressed."""
        start = os.pread(self._handle.fileno(), 4, 0)
        if start[:3] == MAGIC:
            return []
        if start != ZSTD_MAGIC:
            raise VendorError(
                "E300",
                f"{self.name} starts with {start!r}, expected {MAGIC!r} or a zstd frame",
                "the file is no DBN file, or a download was replaced by an error page; nothing was stored",
                command("tp", "l2", "import", "--help"),
            )
        try:
            return frames(self._handle.fileno(), self.size_bytes)
        except IncompleteFrameError as error:
            raise self._cut(str(error)) from error
        except NoFrameError as error:
            raise self._damaged(str(error)) from error

    def _is_mark(self, frame: Frame) -> bool:
        text = os.pread(self._handle.fileno(), len(SYNTHETIC_MARK), frame.start + _SKIPPABLE_HEADER)
        return text == SYNTHETIC_MARK

    def _payload(self) -> Any:
        """Return a reader of the decompressed bytes from the start of the file."""
        source = _Range(self._handle.fileno(), self.size_bytes)
        if not self.is_compressed:
            return source
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(
            source,  # type: ignore[arg-type]  # only read is called
            read_size=_READ_BYTES,
            read_across_frames=True,
            closefd=False,
        )

    def _fill(self, payload: Any, target: memoryview) -> int:
        """Read until the target is full or the data end; return the bytes read."""
        import zstandard

        done = 0
        try:
            while done < len(target):
                got = payload.readinto(target[done:])
                if not got:
                    break
                done += got
        except zstandard.ZstdError as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise self._unreadable(error) from error
        return done

    def _read_metadata(self, payload: Any) -> tuple[DbnMetadata, int]:
        prelude = bytearray(PRELUDE_SIZE)
        if self._fill(payload, memoryview(prelude)) < PRELUDE_SIZE or bytes(prelude[:3]) != MAGIC:
            raise self._no_dbn("the header is missing")
        version, length = prelude[3], int.from_bytes(prelude[4:], "little")
        if version > LATEST_VERSION:
            raise VendorError(
                "E301",
                f"{self.name} has DBN version {version}, expected 1 to {LATEST_VERSION}",
                "the vendor has moved on: records may have another layout; nothing was stored",
                "tp config",
            )
        if version == 0 or length > METADATA_SIZE_MAX:
            raise self._no_dbn(f"version {version}, {length} bytes of metadata")
        body = bytearray(length)
        if self._fill(payload, memoryview(body)) < length:
            raise self._cut("the metadata are incomplete")
        return self._decode_metadata(bytes(prelude + body), version), PRELUDE_SIZE + length

    def _decode_metadata(self, raw: bytes, version: int) -> DbnMetadata:
        from databento_dbn import DBNError, Metadata

        try:
            found = Metadata.decode(raw)
        except (DBNError, ValueError) as error:
            raise self._no_dbn(str(error)) from error
        mappings = {
            name: tuple((entry["start_date"], entry["end_date"], entry["symbol"]) for entry in intervals)
            for name, intervals in found.mappings.items()
        }
        return DbnMetadata(
            version=version,
            dataset=found.dataset,
            schema=None if found.schema is None else str(found.schema),
            start_ns=found.start,
            end_ns=found.end,
            limit=found.limit,
            symbols=tuple(found.symbols),
            partial=tuple(found.partial),
            not_found=tuple(found.not_found),
            stype_in=None if found.stype_in is None else str(found.stype_in),
            mappings=mappings,
        )

    def _require_schema(self) -> None:
        if self._schema not in {ANY_SCHEMA, self.metadata.schema}:
            raise VendorError(
                "E302",
                f"{self.name} holds {self.metadata.schema or 'several schemas'}, expected {self._schema}",
                "only books of ten levels become level 2 partitions, bars of a minute are compared with them; nothing was stored",
                command("tp", "l2", "import", "--help"),
            )

    def _require_heads(
        self,
        heads: np.ndarray[Any, np.dtype[np.uint16]],
        first: int,
        head: int = RECORD_HEAD,
        size: int = RECORD_SIZE,
    ) -> None:
        good = heads == head
        if good.all():
            return
        bad = int(np.argmin(good))
        raise VendorError(
            "E310",
            f"{self.name}, record {first + bad}: type {int(heads[bad]) >> 8} with {(int(heads[bad]) & 255) * 4} bytes, "
            f"expected type {head >> 8} with {size}",
            "the file mixes records of several types (a live recording) or is damaged; nothing was stored",
            command("tp", "l2", "import", "--help"),
        )

    def _no_dbn(self, detail: str) -> VendorError:
        return VendorError(
            "E300",
            f"{self.name} is not a DBN file: {detail}",
            "the header cannot be read; nothing was stored",
            command("tp", "l2", "import", "--help"),
        )

    def _cut(self, detail: str) -> VendorError:
        return VendorError(
            "E303",
            f"{self.name} is cut short: {detail}",
            "a download or copy was interrupted; nothing was stored, what is missing cannot be told from the file",
            command("tp", "l2", "import", "--help"),
        )

    def _damaged(self, detail: str) -> VendorError:
        return VendorError(
            "E304",
            f"{self.name} is damaged: {detail}",
            "bytes changed after the vendor wrote them, or something follows the data; nothing was stored",
            command("tp", "l2", "import", "--help"),
        )

    def _unreadable(self, error: OSError) -> VendorError:
        return VendorError(
            "E305",
            f"{self.path.name} cannot be read: {error.strerror or error}",
            "permissions, a missing disk, or a folder of that name; nothing was stored",
            command("tp", "l2", "import", "--help"),
        )


def schema_of(path: Path) -> str | None:
    """Return the schema that a file states; None for a mixed one.

    Raises:
        VendorError: as :class:`DbnFile`.
    """
    with DbnFile(path, ANY_SCHEMA) as file:
        return file.metadata.schema


class _Range:
    """Bytes of an open file from its start, without moving the file's own position."""

    def __init__(self, descriptor: int, stop: int) -> None:
        self._descriptor = descriptor
        self._at = 0
        self._stop = stop

    def read(self, size: int) -> bytes:
        data = os.pread(self._descriptor, min(size, self._stop - self._at), self._at)
        self._at += len(data)
        return data

    def readinto(self, target: memoryview) -> int:
        got = os.preadv(self._descriptor, [target[: self._stop - self._at]], self._at)
        self._at += got
        return got

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe without a writer would hold up the program for ever."""
    return os.open(path, flags | os.O_NONBLOCK)
