"""The cache of raw DBN files: what was paid for is kept, checked and never paid twice.

Belongs here: paths, the lock of a day, sidecars, quarantine, salvage of what a killed process left. Does not belong here: the vendor
(``client.py``), what a day becomes (``convert.py``).

``<root>/<dataset>/<schema>/<raw_symbol>/<trade_date>/<query fingerprint>.dbn.zst`` and beside it ``.json``, the sidecar. The folder of the
day is locked from the look-up until after the rename, so that of two processes one pays and the other finds. The sidecar is written before
the file is renamed: a sidecar without its file means that a paid file is missing, which is never repaired by paying again in silence.
"""

from __future__ import annotations

import json
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
from .disk import UNREADABLE, hash_of, make_folder, modified_ns, move, rename, replace_json, sync, unmoved, write_json
from .query import Query

QUARANTINE: Final = "quarantine"
# Of a verification: nothing is lost with a file that is cut short.
CUT_SHORT: Final = "E303"
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

    @property
    def plan_command(self) -> str:
        """Return the command that shows this day."""
        return command("tp", "l2", "plan", *self._of_day())

    def repair(self) -> bool:
        """Finish what a crash between sidecar and rename left; tell whether there was such a file.

        Raises:
            VendorError: E305 a file cannot be read, E339 it cannot be moved.
        """
        if self.path.exists() or not self.sidecar_path.exists():
            return False
        try:
            wanted = self._read_sidecar()["sha256"]
        except RefusedError:
            return False
        written_ns = modified_ns(self.sidecar_path)
        for part in self.parts():
            # A newer one was bought since: its sidecar could not be written, and tells more than this one, even of the same bytes.
            if modified_ns(part) <= written_ns and hash_of(part) == wanted:
                move(part, self.path)
                return True
        return False

    def find(self) -> RawFile | None:
        """Return the file if it is whole.

        Raises:
            RefusedError: E355 its bytes have changed, or it is gone although it was paid for. E357 the sidecar is gone or cannot be read.
            VendorError: E305 it cannot be read.
        """
        if not self.sidecar_path.exists():
            if self.path.exists():
                raise self.unexplained("nobody knows what it is")
            return None
        self.repair()
        sidecar = self._read_sidecar()
        if not self.path.exists():
            why = "it was quarantined before" if sidecar.get("damaged") else "somebody deleted it, and left its sidecar"
            raise self._damaged(f"the file that was paid for is gone: {why}")
        found = hash_of(self.path)
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
        """Return a complete download that has no place yet: a process was killed, or the disk was full.

        What is older than the file that has its place is not taken. Other downloads are put aside, those that are cut short deleted.

        Raises:
            VendorError: E305 a file cannot be read, E339 it cannot be moved.
        """
        whole: Path | None = None
        for part in sorted(self.parts(), key=modified_ns, reverse=True):
            try:
                verify(part)
            except VendorError as error:
                self.reject(part, error)
                continue
            if whole is None and (not self.path.exists() or modified_ns(part) > modified_ns(self.sidecar_path)):
                whole = part
            else:
                self.quarantine(part)
        return whole

    def adopt(self, verify: Callable[[Path], object]) -> Path | None:
        """Return a file without a sidecar, which only a person can have put there, as a download; None if there is none.

        Raises:
            RefusedError: E357 it is not what was asked for; it stays where it is. VendorError: E339 it cannot be moved.
        """
        if self.sidecar_path.exists() or not self.path.exists():
            return None
        try:
            verify(self.path)
        except VendorError as error:
            raise self.unexplained(f"it is not what the day needs ({error.code} {error.what})") from error
        part = self.new_part(1)
        move(self.path, part)
        return part

    def reject(self, path: Path, error: VendorError) -> None:
        """Delete a download that is cut short; put aside any other that failed its verification: it may be of use, and was paid for.

        Raises:
            VendorError: E305 the disk does not give it back, so nobody knows; it stays.
        """
        if error.code == UNREADABLE:
            raise error
        if error.code == CUT_SHORT:
            path.unlink(missing_ok=True)
        else:
            self.quarantine(path)

    def commit(self, bought: Bought) -> RawFile:
        """Give a verified temporary file its place.

        Raises:
            VendorError: E339 the disk refuses; the temporary file stays, so the next run finds it.
        """
        sidecar = {
            "query": asdict(self.query),
            "trade_date": self.trade_date.isoformat(),
            "sha256": hash_of(bought.path),
            "size_bytes": bought.path.stat().st_size,
            "records": bought.records,
            "cost_usd": bought.cost_usd,
            "warnings": list(bought.warnings),
            "condition": bought.condition,
            "last_modified": bought.last_modified,
            "details": dict(bought.details or {}),
        }
        try:
            sync(bought.path)
            if self.path.exists():
                self._move_aside(self.path)  # forced, or revised by the vendor: the older file stays for comparison
            replace_json(self.sidecar_path, sidecar)
            rename(bought.path, self.path)
        except OSError as error:
            raise VendorError(
                "E339",
                f"{self.path} cannot be written: {error.strerror or error}",
                "the disk is full or may not be written; what was downloaded stays and is found by the next run",
                "tp config",
            ) from error
        return self._raw_file(sidecar, is_new=True)

    def quarantine(self, path: Path) -> Path:
        """Move a file aside; nothing that was paid for is deleted.

        Raises:
            VendorError: E339 the disk refuses; the file stays.
        """
        try:
            return self._move_aside(path)
        except OSError as error:
            raise unmoved(path, error) from error

    def unexplained(self, detail: str) -> RefusedError:
        """Return the error for a file without its sidecar."""
        return RefusedError(
            "E357",
            f"{self.path} has no sidecar: {detail}",
            "nothing is paid again without being told to: put back the sidecar, or remove the file and take a copy with tp l2 import FILE; "
            "the next command pays",
            self._force(),
        )

    def _move_aside(self, path: Path) -> Path:
        folder = self.folder / QUARANTINE
        folder.mkdir(exist_ok=True)
        target = folder / f"{path.name.lstrip('.').removesuffix(_PART)}.{uuid.uuid4().hex[:8]}"
        rename(path, target)
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
                "it says what the file beside it is and what was paid; nothing is paid again without being told to: put back a copy of the "
                "sidecar, or take a copy of the file with tp l2 import FILE; the next command pays",
                self._force(),
            ) from error
        return content

    def _damaged(self, detail: str) -> RefusedError:
        return RefusedError(
            "E355",
            f"the cached file {self.path} cannot be used: {detail}",
            "it was paid for, so it is not bought again by itself: take a copy with tp l2 import FILE, or the next command pays once more",
            self._force(),
        )

    def _force(self) -> str:
        return command("tp", "l2", "backfill", *self._of_day(), "--force")

    def _of_day(self) -> tuple[object, ...]:
        return "--symbols", self.query.symbol, "--from", self.trade_date, "--to", self.trade_date


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

    def has_parts(self, query: Query, trade_date: date) -> bool:
        """Tell whether a download of the day was left behind, which may be whole and paid."""
        return bool(DayFolder(self.folder_of(query, trade_date), query, trade_date).parts())

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
        make_folder(folder)
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


def _safe(text: str) -> str:
    """Return a name that is one path component whatever the vendor calls an instrument; usual names stay as they are."""
    name = quote(text, safe=" ")
    return name.replace(".", "%2E") if set(name) <= {"."} else name
