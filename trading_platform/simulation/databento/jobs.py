"""Batch jobs of the stand-in: ordered once, ready after some polls, downloaded as files.

Belongs here: jobs and their files. Does not belong here: addresses and bills (``service.py``).

Source: file lists as real receipts show them; the fields of a job from the vendor's documentation.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .transfer import DataQuery, utc_date

_KEPT = timedelta(days=30)


@dataclass
class BatchJob:
    """One job.

    Attributes:
        job_id: its name.
        query: what was ordered.
        files: name to content.
        state: ``queued``, ``processing``, ``done`` or ``expired``.
        received_ns: when it was ordered.
        polls_left: polls before it is done.
        echo: what is said of it besides its state.
    """

    job_id: str
    query: DataQuery
    files: dict[str, bytes]
    state: str
    received_ns: int
    polls_left: int
    echo: dict[str, Any]

    def poll(self) -> None:
        """Let the job come nearer to its end."""
        if self.state in {"done", "expired"}:
            return
        self.polls_left -= 1
        self.state = "done" if self.polls_left <= 0 else "processing"

    def expire(self) -> None:
        """Delete the files."""
        self.state = "expired"
        self.files = {}

    def details(self) -> dict[str, Any]:
        """Return the job as the vendor describes it."""
        return {"id": self.job_id, "state": self.state, **self.echo}

    def file_list(self, gateway: str, *, wrong_hash: bool = False) -> list[dict[str, Any]]:
        """Return names, sizes, hashes and addresses of the files."""
        return [
            {
                "filename": name,
                "size": len(content),
                "hash": "sha256:" + ("0" * 64 if wrong_hash and name.endswith(".dbn.zst") else _sha256(content)),
                "urls": {
                    "https": f"{gateway}/v0/batch/download/{self.job_id}/{name}",
                    "ftp": f"ftp://ftp.databento.invalid/{self.job_id}/{name}",
                },
            }
            for name, content in self.files.items()
        ]

    def as_zip(self, gateway: str) -> bytes:
        """Return all files as one archive."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in self.files.items():
                archive.writestr(name, content)
            archive.writestr("manifest.json", json.dumps({"job_id": self.job_id, "files": self.file_list(gateway)}))
        return buffer.getvalue()


class JobBook:
    """All jobs of the account.

    Args:
        polls: how often a job is asked about before it is done.
    """

    def __init__(self, polls: int) -> None:
        self._polls = polls
        self._jobs: dict[str, BatchJob] = {}
        self._lock = threading.Lock()

    def add(
        self, query: DataQuery, parameters: dict[str, str], body: bytes, records: int, usd: float, now: datetime
    ) -> BatchJob:
        """Take an order."""
        venue = query.dataset.partition(".")[0]
        day = utc_date(query.start_ns)
        name = f"{query.dataset.lower().replace('.', '-')}-{day:%Y%m%d}.{query.schema}.dbn.zst"
        condition = [{"date": day.isoformat(), "condition": "available", "last_modified_date": day.isoformat()}]
        files = {
            "condition.json": json.dumps(condition).encode(),
            "metadata.json": json.dumps({"query": {k: v for k, v in parameters.items() if k != "gateway"}}).encode(),
            name: body,
        }
        received = now.isoformat()
        with self._lock:
            job_id = f"{venue}-{now:%Y%m%d}-{len(self._jobs) + 1:010d}"
            echo: dict[str, Any] = {
                **{key: parameters.get(key) for key in ("dataset", "symbols", "schema", "stype_in", "stype_out")},
                "start": query.start_ns,
                "end": query.end_ns,
                "split_duration": parameters.get("split_duration"),
                "encoding": "dbn",
                "compression": "zstd",
                "delivery": "download",
                "cost_usd": usd,
                "record_count": records,
                "billed_size": records * 368,
                "actual_size": len(body),
                "package_size": sum(map(len, files.values())),
                "ts_received": received,
                "ts_queued": received,
                "ts_expiration": (now + _KEPT).isoformat(),
            }
            received_ns = int(now.timestamp() * 1e6) * 1_000
            job = BatchJob(job_id, query, files, "queued", received_ns, self._polls, echo)
            self._jobs[job_id] = job
            return job

    def get(self, job_id: str) -> BatchJob | None:
        """Return a job; None if there is none of that name."""
        return self._jobs.get(job_id)

    def all(self) -> list[BatchJob]:
        """Return all jobs in the order in which they were taken."""
        return list(self._jobs.values())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
