"""Checks of the machine: disk, file systems, clock, time zones, port.

Belongs here: what holds whatever is installed. Does not belong here: packages (``installation.py``), the home (``home.py``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ...errors import command
from ...home import Home
from .verdict import Situation, Status, Verdict, ok

# A day of one busy future is about 30 MB; a backfill of years fills gigabytes within the hour.
WARN_FREE_BYTES = 5_000_000_000
FAIL_FREE_BYTES = 500_000_000
# One file and one folder per partition: a year of one symbol and five datasets takes some 2,500.
WARN_FREE_INODES = 50_000
FAIL_FREE_INODES = 1_000
# Clocks of file servers differ by seconds.
_CLOCK_TOLERANCE = timedelta(minutes=5)
# Zones that sessions are computed in, with their offsets on a summer and a winter noon.
_ZONES = {"America/New_York": (-4, -5), "America/Chicago": (-5, -6)}
# No locks that can be trusted, or no fsync: SQLite says so itself (https://www.sqlite.org/faq.html#q5).
_NETWORK_TYPES = ("nfs", "cifs", "smb", "afs", "fuse.sshfs", "fuse.rclone", "9p", "drvfs", "webdav", "fuse.gdrive")
_WINDOWS_TYPES = ("9p", "drvfs", "v9fs")


def disk_space(situation: Situation) -> Verdict:
    """Judge free bytes and free inodes of every file system that the home lies on."""
    findings = [
        free_space(folder, os.statvfs(folder)) for folder in _one_per_device(_written_folders(situation.known_home))
    ]
    return _worst_of(findings)


def free_space(folder: Path, stat: os.statvfs_result) -> Verdict:
    """Judge one file system by its numbers."""
    free = stat.f_bavail * stat.f_frsize
    inodes = stat.f_favail if stat.f_files > 0 else None  # btrfs and drvfs count none
    few = inodes is not None and inodes < WARN_FREE_INODES
    what = f"{free / 1e9:,.1f} GB free at {folder}" + (f", only {inodes:,} inodes" if few else "")
    if free < FAIL_FREE_BYTES or (inodes is not None and inodes < FAIL_FREE_INODES):
        return Verdict(Status.FAIL, what, "tp config")
    return Verdict(Status.WARN, what, "tp config") if free < WARN_FREE_BYTES or few else ok(what)


def file_systems(situation: Situation) -> Verdict:
    """Tell whether run history or data lie on a network disk."""
    home = situation.known_home
    kind = file_system_of(home.dagster_dir)
    if is_network(kind):
        where = "a Windows disk" if kind in _WINDOWS_TYPES else "a network disk"
        return Verdict(
            Status.WARN,
            f"the run history (SQLite) lies on {where} ({kind}): {home.dagster_dir}",
            command("tp", "init", "--home", Path.home() / "tp-home"),
        )
    sierra = situation.sierra_dir
    if sierra is not None and is_network(file_system_of(sierra)):
        return ok(f"home on {kind}; the data folder {sierra} is on {file_system_of(sierra)}, which works but is slower")
    return ok(f"home on a local disk ({kind})")


def is_network(kind: str) -> bool:
    """Tell whether a type of file system is one of another machine (or of the Windows side of WSL)."""
    return kind.startswith(_NETWORK_TYPES)


def file_system_of(path: Path) -> str:
    """Return the type of the file system that holds a path, such as ``ext4``; ``unknown`` if it cannot be told."""
    import psutil

    resolved = path.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounts[folder] for folder in (resolved, *resolved.parents) if folder in mounts), "unknown")


def time_zones(situation: Situation) -> Verdict:
    """Load the zones of the exchanges and compare two known offsets."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    noons = (datetime(2025, 7, 1, 12, tzinfo=UTC), datetime(2025, 1, 7, 12, tzinfo=UTC))
    for name, hours in _ZONES.items():
        try:
            found = tuple(noon.astimezone(ZoneInfo(name)).utcoffset() for noon in noons)
        except ZoneInfoNotFoundError:
            return Verdict(Status.FAIL, f"no time zone data for {name}: install tzdata", _setup(situation))
        if found != tuple(timedelta(hours=hour) for hour in hours):
            return Verdict(Status.FAIL, f"time zone data of {name} are wrong: install tzdata", _setup(situation))
    return ok(f"{' and '.join(_ZONES)} load; the zone of the machine does not matter")


def clock(situation: Situation) -> Verdict:
    """Compare the clock with the newest file that this machine wrote and with the days that calendars know."""
    from ...sessions.tables import covered

    first, last = covered()
    today = situation.now.date()
    if not first <= today <= last:
        what = f"the clock says {today}, outside the calendar ({first} to {last}): set it, or update the platform"
        return Verdict(Status.FAIL, what, _set_clock())
    newest = max(_times(situation), default=(situation.now, Path()))
    if newest[0] > situation.now + _CLOCK_TOLERANCE:
        what = f"the clock says {situation.now:%Y-%m-%d %H:%M} UTC, but {newest[1]} is from {newest[0]:%Y-%m-%d %H:%M}"
        return Verdict(Status.WARN, what, _set_clock())
    return ok(f"{situation.now:%Y-%m-%d %H:%M} UTC, later than everything stored")


def port(situation: Situation) -> Verdict:
    """Tell who holds the usual port of the web UI."""
    from ..supervisor import is_free

    if is_free("127.0.0.1", situation.port):
        return ok(f"port {situation.port} is free")
    holder = _listener(situation.port)
    if holder is None:
        return Verdict(
            Status.WARN, f"port {situation.port} is taken by another user's process; tp ui takes another one", "tp ui"
        )
    pid, line, home = holder
    if "dagster_webserver" in line and situation.home is not None and home == str(situation.home.path):
        return ok(f"port {situation.port} is held by tp ui of this home (process {pid})")
    who = f"tp ui of {home}" if "dagster_webserver" in line and home else line[:60]
    return Verdict(
        Status.WARN, f"port {situation.port} is taken by process {pid} ({who}); tp ui takes another one", "tp ui"
    )


def _set_clock() -> str:
    """Return the command that sets the clock of this system by the network, or by the clock of the host."""
    if sys.platform == "darwin":
        return command("sudo", "sntp", "-sS", "time.apple.com")
    if Path("/run/systemd/system").is_dir():
        return command("sudo", "timedatectl", "set-ntp", "true")
    return command("sudo", "hwclock", "--hctosys")  # WSL without systemd falls behind while the machine sleeps


def _setup(situation: Situation) -> str:
    return command("make", "-C", situation.repository, "setup")


def _written_folders(home: Home) -> Sequence[Path]:
    return [folder for folder in (home.path, home.lake_dir, home.cache_dir, home.dagster_dir) if folder.is_dir()]


def _one_per_device(folders: Sequence[Path]) -> list[Path]:
    return list({folder.stat().st_dev: folder for folder in reversed(folders)}.values())


def _worst_of(findings: Sequence[Verdict]) -> Verdict:
    for status in (Status.FAIL, Status.WARN):
        for finding in findings:
            if finding.status is status:
                return finding
    return ok("; ".join(finding.what for finding in findings))


def _times(situation: Situation) -> Iterator[tuple[datetime, Path]]:
    """Yield when files were written that only grow older: marker, histories, tick files."""
    paths: list[Path] = [situation.repository / "pyproject.toml"]
    if situation.home is not None:
        paths += [situation.home.path / "home.json", situation.home.runs_db, situation.home.events_db]
    sierra = situation.sierra_dir
    if sierra is not None and sierra.is_dir():
        paths += [path for path in sierra.iterdir() if path.suffix.lower() == ".scid"]
    for path in paths:
        try:
            yield datetime.fromtimestamp(path.stat().st_mtime, UTC), path
        except OSError:  # not there: other checks say so
            continue


def _listener(number: int) -> tuple[int, str, str | None] | None:
    """Return process id, command line and home of who listens on a port; None if we may not see it."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS shows only one's own, and only to root
        return None
    for connection in connections:
        address: tuple[Any, ...] = connection.laddr  # host and port; empty for a socket without an address
        if connection.status == psutil.CONN_LISTEN and address[1:2] == (number,) and connection.pid is not None:
            try:
                process = psutil.Process(connection.pid)
                return connection.pid, " ".join(process.cmdline()), process.environ().get("TP_HOME")
            except psutil.Error:  # it ended, or belongs to someone else
                return None
    return None
