"""Remember hashes of unchanged files, so that asking what is current does not read gigabytes.

Belongs here: a map from (key, file status) to a sha256. Does not belong here: deciding what to hash. The file can be
deleted at any time.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS hashes (
    key TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID
"""
_BUSY_S = 10.0


class StatCache:
    """Hashes by key and file status; several processes may share one.

    A hit needs equal size, modification time, change time and inode: a tool that sets the modification time back still changes the change
    time. A damaged cache file is replaced by an empty one: it costs time, never correctness.

    Args:
        path: SQLite file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = _open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
            self._database = _open(path)

    def get(self, key: str, status: os.stat_result) -> str | None:
        """Return the hash remembered for the key, or None if there is none or the file has changed since."""
        row = self._database.execute(
            "SELECT sha256 FROM hashes WHERE key = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ?",
            (key, *_identity(status)),
        ).fetchone()
        return None if row is None else str(row[0])

    def put(self, key: str, status: os.stat_result, sha256: str) -> None:
        """Remember a hash.

        Args:
            key: what was hashed, e.g. file name and record range.
            status: status of the file taken **before** it was read, so that a write during the reading is noticed next time.
            sha256: 64 hex digits.
        """
        self._database.execute(
            "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?)", (key, *_identity(status), sha256)
        )

    def close(self) -> None:
        """Close the file; the cache cannot be used afterwards."""
        self._database.close()


def _open(path: Path) -> sqlite3.Connection:
    # Autocommit: every entry is one small transaction in the write-ahead log, so a killed process loses or tears nothing.
    database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_SCHEMA)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
