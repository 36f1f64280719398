"""The note of the batch order of a day: what was ordered and has no file yet, and what proved useless.

Belongs here: ``<fingerprint>.job.json``. Does not belong here: ordering (``batch.py``), what was paid (``ledger.py``).

An order costs money and outlives the process, so its number is on the disk before anything waits for it. The note ends when the day has its
file, whoever brought it: otherwise the next order of the day would be this one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import VendorError
from .disk import write_json


class JobFile:
    """The note of one day; the folder of the day is locked.

    Args:
        path: of the note.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def job_id(self) -> str | None:
        """Return the number of the order that has no file yet.

        None if there is none, or if the note cannot be read: ledger and vendor know it too.
        """
        found = self._read().get("job_id")
        return None if found is None else str(found)

    @property
    def revision(self) -> str | None:
        """Return the vendor's revision date of the day when it was ordered, ISO; None if not known."""
        found = self._read().get("revision")
        return None if found is None else str(found)

    @property
    def useless(self) -> tuple[str, ...]:
        """Return the orders that expired or brought something else."""
        found = self._read().get("useless")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def keep(self, job_id: str, revision: str | None) -> None:
        """Note an order.

        Raises:
            VendorError: E339 the disk refuses; the ledger keeps the number too.
        """
        write_json(self._path, {"job_id": job_id, "revision": revision, "useless": list(self.useless)})

    def give_up(self, job_id: str) -> None:
        """Remember that an order is of no use any more, so that it is not found again in ledger or list.

        Raises:
            VendorError: E339 the disk refuses.
        """
        write_json(self._path, {"useless": [*self.useless, job_id]})

    def forget(self) -> None:
        """Forget the order: the day has its file. Those that proved useless stay known.

        Raises:
            VendorError: E339 the disk refuses.
        """
        if self.useless:
            if self.job_id is not None:
                write_json(self._path, {"useless": list(self.useless)})
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise VendorError(
                "E339",
                f"{self._path} cannot be removed: {error.strerror or error}",
                "the disk may not be written; the file of the day is intact",
                "tp config",
            ) from error

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
