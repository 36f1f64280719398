"""Which process on which host does something, and whether it still lives.

Belongs here: the identity that runs and claims are tagged with. A process id alone is not enough: ids are reused after a restart, so the
start time of the process is part of the identity. Does not belong here: what to do about dead processes (``jobs/dead_runs.py``).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

TAG_HOST = "tp/host"
TAG_PID = "tp/pid"
TAG_STARTED = "tp/process_started"

# psutil derives the start time from the boot time, which moves when the clock of the machine is corrected.
_START_TOLERANCE_S = 2.0


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one host.

    Attributes:
        host: host name.
        pid: process id.
        started_s: start of the process, epoch seconds.
    """

    host: str
    pid: int
    started_s: float

    @classmethod
    def current(cls) -> ProcessIdentity:
        """Return the identity of the calling process."""
        pid = os.getpid()
        return cls(socket.gethostname(), pid, psutil.Process(pid).create_time())

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> ProcessIdentity | None:
        """Read the identity from run tags; None if the run carries none."""
        if not {TAG_HOST, TAG_PID, TAG_STARTED} <= tags.keys():
            return None
        return cls(tags[TAG_HOST], int(tags[TAG_PID]), float(tags[TAG_STARTED]))

    def to_tags(self) -> dict[str, str]:
        """Return the identity as run tags."""
        return {TAG_HOST: self.host, TAG_PID: str(self.pid), TAG_STARTED: f"{self.started_s:.2f}"}

    @property
    def is_on_this_host(self) -> bool:
        """Tell whether its life can be judged from here."""
        return self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Tell whether the process still runs; only meaningful on its own host."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return abs(process.create_time() - self.started_s) <= _START_TOLERANCE_S
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:  # it exists and belongs to someone else
            return True

    def __str__(self) -> str:
        """Render for messages."""
        return f"process {self.pid} on {self.host}"
