"""The cache of raw DBN files: what was paid for is kept, checked and never paid twice.

Belongs here: paths, the lock of a day, sidecars, quarantine, salvage of what a killed process left. Does not belong here: the vendor
(``client.py``), what a day becomes (``convert.py``).

``<root>/<dataset>/<schema>/<raw_symbol>/<trade_date>/<query fingerprint>.dbn.zst`` and beside it ``.json``, the sidecar. The folder of the
day is locked from the look-up until after the rename, so that of two processes one pays and the other finds. The sidecar is written before
the file is renamed: a sidecar without its file means that a paid file is missing, which is never repaired by paying again in silence.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from ..errors import RefusedError, VendorError, command
from ..lake.files import locked_folder
from .query import Query

QUARANTINE: Final = "quarantine"
_SUFFIX = ".dbn.zst"
_PART = ".part"


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of the cache.

    Attributes:
        path: where it lies.
        query: what was asked for.
        trade_date: the day it is for.
        sha256: of its bytes.
        size_bytes: of the file.
        records: as counted by the vendor and in the file.
        cost_usd: what was paid for it.
        warnings: what the vendor warned of.
        condition: the vendor's condition of the day when it was bought; None if not known.
        last_modified: its revision date then, ISO; None if not known.
        details: request ids, job id, attempts, and what else is worth keeping.
        is_new: this call has paid for it; False if it was there.
    """

    path: Path
    query: Query
    trade_date: date
    sha256: str
    size_bytes: int
    records: int
    cost_usd: float
    warnings: tuple[str, ...]
    condition: str | None
    last_modified: str | None
    details: Mapping[str, Any]
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Bought:
    """What a download adds to the cache.

    Attributes:
        path: temporary file in the folder of the day, verified.
        records: in it.
        cost_usd: paid for it.
        warnings: of the vendor.
        condition: of the day.
        last_modified: of the day.
        details: what else is worth keeping.
    """

    path: Path
    records: int
    cost_usd: float
    warnings: tuple[str, ...] = ()
    condition: str | None = None
    last_modified: str | None = None
    details: Mapping[str, Any] | None = None


class DayFolder:
    """The folder of one query and day while its lock is held."""

    def __init__(self, folder: Path, query: Query, trade_date: date) -> None:
        self.folder = folder
        self.query = query
        self.trade_date = trade_date
        self.path = folder / f"{query.fingerprint}{_SUFFIX}"
        self.sidecar_path = folder / f"{query.fingerprint}.json"
        self.job_path = folder / f"{query.fingerprint}.job.json"

    def new_part(self, attempt: int) -> Path:
        """Return the path of a temporary file that does not exist."""
        return self.folder / f".{self.query.fingerprint}.{attempt}.{uuid.uuid4().hex}{_PART}"

    def parts(self) -> list[Path]:
        """Return temporary files that dead processes have left; nobody else holds the lock."""
        return sorted(self.folder.glob(f".{self.query.fingerprint}.*{_PART}"))

    def find(self) -> RawFile | None:
        """Return the file if it is whole.

        Raises:
            RefusedError: E355 its bytes have changed, or it is gone although it was paid for. E357 the sidecar cannot be read.
        """
        if not self.sidecar_path.exists():
            if self.path.exists():
                self.quarantine(self.path)  # nobody knows what it is; only a person can have put it there
            return None
        sidecar = self._read_sidecar()
        for part in [] if self.path.exists() else self.parts():
            if sha256_of(part) == sidecar["sha256"]:  # a crash between sidecar and rename
                _rename(part, self.path)
                break
        if not self.path.exists():
            why = "it was quarantined before" if sidecar.get("damaged") else "somebody deleted it, and left its sidecar"
            raise self._damaged(f"the file that was paid for is gone: {why}")
        found = sha256_of(self.path)
        if found != sidecar["sha256"]:
            moved = self.quarantine(self.path)
            write_json(self.sidecar_path, {**sidecar, "damaged": True})
            raise self._damaged(f"sha256 is {found[:16]}, expected {sidecar['sha256'][:16]}; moved to {moved}")
        return self._raw_file(sidecar)

    def known(self) -> RawFile | None:
        """Return what the sidecar says, without reading the file; None if file or sidecar is absent or unreadable. Needs no lock."""
        try:
            sidecar = self._read_sidecar()
        except RefusedError:
            return None
        return self._raw_file(sidecar) if self.path.is_file() else None

    def salvage(self, verify: Callable[[Path], object]) -> Path | None:
        """Return a complete download that a killed process left, and delete incomplete ones."""
        whole: Path | None = None
        for part in self.parts():
            if whole is None:
                try:
                    verify(part)
                except VendorError:
                    part.unlink()
                    continue
                whole = part
            else:
                part.unlink()
        return whole

    def commit(self, bought: Bought) -> RawFile:
        """Give a verified temporary file its place.

        Raises:
            VendorError: E339 the disk refuses; the temporary file stays, so the next run finds it.
        """
        sidecar = {
            "query": asdict(self.query),
            "trade_date": self.trade_date.isoformat(),
            "sha256": sha256_of(bought.path),
            "size_bytes": bought.path.stat().st_size,
            "records": bought.records,
            "cost_usd": bought.cost_usd,
            "warnings": list(bought.warnings),
            "condition": bought.condition,
            "last_modified": bought.last_modified,
            "details": dict(bought.details or {}),
        }
        try:
            _fsync(bought.path)
            if self.path.exists():
                self.quarantine(self.path)  # forced, or revised by the vendor: the older file stays for comparison
            write_json(self.sidecar_path, sidecar)
            _rename(bought.path, self.path)
        except OSError as error:
            raise VendorError(
                "E339",
                f"{self.path} cannot be written: {error.strerror or error}",
                "the disk is full or may not be written; what was downloaded stays and is found by the next run",
                "tp config",
            ) from error
        return self._raw_file(sidecar, is_new=True)

    def quarantine(self, path: Path) -> Path:
        """Move a file aside; nothing that was paid for is deleted."""
        folder = self.folder / QUARANTINE
        folder.mkdir(exist_ok=True)
        target = folder / f"{path.name.lstrip('.').removesuffix(_PART)}.{uuid.uuid4().hex[:8]}"
        _rename(path, target)
        return target

    def _raw_file(self, sidecar: Mapping[str, Any], *, is_new: bool = False) -> RawFile:
        return RawFile(
            path=self.path,
            query=self.query,
            trade_date=self.trade_date,
            sha256=sidecar["sha256"],
            size_bytes=sidecar["size_bytes"],
            records=sidecar["records"],
            cost_usd=sidecar["cost_usd"],
            warnings=tuple(sidecar["warnings"]),
            condition=sidecar["condition"],
            last_modified=sidecar["last_modified"],
            details=sidecar["details"],
            is_new=is_new,
        )

    def _read_sidecar(self) -> dict[str, Any]:
        needed = ("sha256", "size_bytes", "records", "cost_usd", "warnings", "condition", "last_modified", "details")
        try:
            content = json.loads(self.sidecar_path.read_text(encoding="utf-8"))
            missing = [name for name in needed if name not in content]
            if missing or not isinstance(content, dict):
                raise ValueError(f"Expected an object with {', '.join(missing)}")
        except (OSError, ValueError, TypeError) as error:
            raise RefusedError(
                "E357",
                f"{self.sidecar_path} cannot be read: {error}",
                "it says what the file beside it is and what was paid; nothing is paid again without being told to",
                self._force(),
            ) from error
        return content

    def _damaged(self, detail: str) -> RefusedError:
        return RefusedError(
            "E355",
            f"the cached file {self.path} cannot be used: {detail}",
            "it was paid for, so it is not bought again by itself; put back a copy, or let the next command pay for it once more",
            self._force(),
        )

    def _force(self) -> str:
        day = self.trade_date.isoformat()
        return command("tp", "l2", "backfill", "--symbols", self.query.symbol, "--from", day, "--to", day, "--force")


class RawCache:
    """All raw files of a home.

    Args:
        root: ``<home>/cache/dbn``.
        lock_wait_s: how long to wait for another process that works on the same day.
    """

    def __init__(self, root: Path, *, lock_wait_s: float = 3_600.0) -> None:
        self.root = root
        self._lock_wait_s = lock_wait_s

    def folder_of(self, query: Query, trade_date: date) -> Path:
        """Return the folder of a query and day, without looking at the disk."""
        parts = (query.dataset, query.schema, query.symbol, trade_date.isoformat())
        return self.root.joinpath(*map(_safe, parts))

    def path_of(self, query: Query, trade_date: date) -> Path:
        """Return the path of a raw file, without looking at the disk."""
        return DayFolder(self.folder_of(query, trade_date), query, trade_date).path

    def has(self, query: Query, trade_date: date) -> bool:
        """Tell whether the file of a query is there, without reading it; for plans."""
        day = DayFolder(self.folder_of(query, trade_date), query, trade_date)
        return day.path.exists() and day.sidecar_path.exists()

    def known(self, query: Query, trade_date: date) -> RawFile | None:
        """Return what the sidecar says of a file, without reading the file; None if one of the two is absent or unreadable."""
        return DayFolder(self.folder_of(query, trade_date), query, trade_date).known()

    def of_day(self, query: Query, trade_date: date) -> list[RawFile]:
        """Return all files of an instrument and day whatever their window, without reading them; in order of their start."""
        folder = self.folder_of(query, trade_date)
        found = []
        for sidecar in folder.glob("*.json"):
            told = _query_of(sidecar)
            raw = None if told is None else DayFolder(folder, told, trade_date).known()
            if raw is not None:
                found.append(raw)
        return sorted(found, key=lambda raw: (raw.query.start_ns, -raw.query.end_ns, raw.sha256))

    @contextmanager
    def locked(self, query: Query, trade_date: date) -> Iterator[DayFolder]:
        """Hold the lock of a day, from the look-up until after the rename.

        Raises:
            VendorError: E339 the folder cannot be made. LakeError: E501 another process holds the day for longer than the wait.
        """
        folder = self.folder_of(query, trade_date)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VendorError(
                "E339",
                f"{folder} cannot be made: {error.strerror or error}",
                "the disk is full or may not be written; the vendor was not asked",
                "tp config",
            ) from error
        with locked_folder(folder, self._lock_wait_s):
            yield DayFolder(folder, query, trade_date)

    def files(self) -> Iterable[Path]:
        """Return all raw files, in the order of their paths."""
        return sorted(path for path in self.root.glob(f"*/*/*/*/*{_SUFFIX}") if path.is_file())


def _query_of(sidecar: Path) -> Query | None:
    """Return the query of a sidecar; None for other files and damaged ones."""
    try:
        query = Query(**json.loads(sidecar.read_text(encoding="utf-8"))["query"])
    except (OSError, ValueError, LookupError, TypeError, RefusedError):
        return None
    return query if sidecar.stem == query.fingerprint else None


def sha256_of(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _safe(text: str) -> str:
    """Return a name that is one path component whatever the vendor calls an instrument; usual names stay as they are."""
    name = quote(text, safe=" ")
    return name.replace(".", "%2E") if set(name) <= {"."} else name


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a small JSON file in one step, durably."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        _rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _rename(source: Path, target: Path) -> None:
    source.replace(target)
    for folder in {source.parent, target.parent}:
        _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
