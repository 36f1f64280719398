"""Remember hashes of unchanged files, so that asking what is current does not read gigabytes.

Belongs here: a map from (key, file status) to a sha256. Does not belong here: deciding what to hash. The file can be
deleted at any time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

# The inode is text: file systems number files up to 2**64 and beyond, SQLite counts to 2**63.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS file_hashes (
    key TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode TEXT NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID
"""
_BUSY_S = 10.0
# A number beyond 64 bits is an OverflowError and a name that is no Unicode a UnicodeError.
_REFUSED = (sqlite3.Error, OverflowError, UnicodeError)


class StatCache:
    """Hashes by key and file status; several processes may share one.

    A hit needs equal size, modification time, change time and inode: a tool that sets the modification time back still changes the change
    time. Whatever goes wrong costs time, never correctness and never a day: a damaged file is replaced by an empty one whenever the damage
    shows, and if the disk is full, the file locked or the folder not writable, hashes are not remembered.

    Args:
        path: SQLite file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        try:
            self._database = _open(path)
        except (sqlite3.Error, OSError) as error:
            self._recover(error)

    def get(self, key: str, status: os.stat_result) -> str | None:
        """Return the hash remembered for the key, or None if there is none or the file has changed since."""
        if self._database is None:
            return None
        try:
            row = self._database.execute(
                "SELECT sha256 FROM file_hashes WHERE key = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ?",
                (key, *_identity(status)),
            ).fetchone()
        except _REFUSED as error:
            self._recover(error)
            return None
        return None if row is None else str(row[0])

    def put(self, key: str, status: os.stat_result, sha256: str) -> None:
        """Remember a hash.

        Args:
            key: what was hashed, e.g. file name and record range.
            status: status of the file taken **before** it was read, so that a write during the reading is noticed next time.
            sha256: 64 hex digits.
        """
        if self._database is None:
            return
        try:
            self._database.execute(
                "INSERT OR REPLACE INTO file_hashes VALUES (?, ?, ?, ?, ?, ?)", (key, *_identity(status), sha256)
            )
        except _REFUSED as error:
            self._recover(error)

    def close(self) -> None:
        """Close the file; the cache remembers nothing afterwards."""
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _recover(self, error: Exception) -> None:
        """Start anew if the file is damaged; anything else (disk full, locked, not writable, not storable) is left as it is."""
        if type(error) is not sqlite3.DatabaseError:
            return
        self.close()
        try:
            for name in (self._path.name, f"{self._path.name}-wal", f"{self._path.name}-shm"):
                self._path.with_name(name).unlink(missing_ok=True)
            self._database = _open(self._path)
        except (sqlite3.Error, OSError):
            self._database = None


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Autocommit: every entry is one small transaction in the write-ahead log, so a killed process loses or tears nothing.
    database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _identity(status: os.stat_result) -> tuple[int, int, int, str]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, str(status.st_ino)
