"""Checks of the run history, of runs and of what dead processes left behind.

Belongs here: everything about ``<home>/dagster``, claims and temporary files. Nothing is opened for writing: Dagster's instance is made
from the folder as it is, without copying ``dagster.yaml`` and without making a history. Does not belong here: ending and removing
(``tp runs --end-dead``).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import command
from ...home import Home
from .verdict import Situation, Status, Verdict, ok

# Together with everything else a doctor visit must stay below three seconds, also on a lake of hundreds of thousands of files.
_CHECK_LIMIT_S = 0.6
_SWEEP_LIMIT_S = 0.5
# Only where something looks wrong: longer than a transaction of a backfill takes.
_BETWEEN_LOOKS_S = 2.0
_OPCODES_BETWEEN_LOOKS = 10_000
# Dagster's names of the states that a run does not leave.
_FINISHED = ("SUCCESS", "FAILURE", "CANCELED")


def dagster_settings(situation: Situation) -> Verdict:
    """Compare the ``dagster.yaml`` of the home with that of the checkout."""
    copy = situation.known_home.dagster_dir / "dagster.yaml"
    if not copy.is_file():
        return Verdict(Status.SKIP, "dagster.yaml is not in the home yet; the first command that needs it copies it")
    if copy.read_bytes() != (situation.repository / "dagster.yaml").read_bytes():
        return Verdict(
            Status.WARN, f"{copy} differs from the one of this checkout; the next run replaces it", "tp runs"
        )
    return ok("dagster.yaml of the home is that of this checkout")


def run_history(
    situation: Situation,
    *,
    pause: Callable[[float], None] = time.sleep,
    in_use: Callable[[Home], bool] | None = None,
) -> Verdict:
    """Let SQLite check its files, each for a limited time.

    A database that somebody writes to can look damaged for a moment, and the remedy would throw the history away: so only two looks that
    find the same, apart in time, while nobody has it open, are a failure.

    Args:
        situation: with a home.
        pause: waits so many seconds between the looks.
        in_use: tells whether another process works with the history; default: :func:`is_in_use`.
    """
    databases = [path for path in _databases(situation.known_home) if path.is_file()]
    if not databases:
        return Verdict(Status.SKIP, "nothing has run in this home yet")
    unfinished = []
    for path in databases:
        problem = _complaint(path, _CHECK_LIMIT_S / len(databases))
        if problem is None:
            unfinished.append(path.name)
        elif problem != "ok":
            pause(_BETWEEN_LOOKS_S)
            again = _complaint(path, _CHECK_LIMIT_S / len(databases))
            if again != problem or (in_use or is_in_use)(situation.known_home):
                what = f"{path} is in use, and could not be read as a whole ({problem.splitlines()[0]}); look again when nothing runs"
                return Verdict(Status.WARN, what, "tp doctor")
            what = f"{path} is damaged: {problem.splitlines()[0]}; stop tp ui and move the folder away, a backfill compares all anew"
            aside = path.parent.with_name(f"{path.parent.name}.damaged")
            return Verdict(Status.FAIL, what, command("mv", path.parent, aside))
    size = sum(path.stat().st_size for path in databases)
    partly = f"; {', '.join(unfinished)} too large to be checked as a whole" if unfinished else ""
    return ok(f"{len(databases)} databases, {size / 1e6:,.1f} MB, are sound{partly}")


def _complaint(path: Path, limit_s: float) -> str | None:
    """Return what ``quick_check`` says or raises; a complaint only if it is there twice."""
    problem: str | None = None
    for _ in range(2):  # someone may have begun to write in the middle of it
        try:
            problem = quick_check(path, limit_s)
        except sqlite3.DatabaseError as error:
            problem = str(error)
        if problem in {None, "ok"}:
            break
    return problem


def is_in_use(home: Home) -> bool:
    """Tell whether another process works with the run history: one that holds a claim, serves this home, or has a file of it open."""
    import psutil

    if any(not _is_left(path) for path in _claims(home)):
        return True
    folder = home.dagster_dir.resolve()
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            # Dagster opens its databases for a moment only, so one that waits for work is told by its environment. A shell may have
            # the same, and is no reader.
            if "dagster" in " ".join(process.cmdline()) and process.environ().get("DAGSTER_HOME") == str(
                home.dagster_dir
            ):
                return True
            if any(Path(file.path).is_relative_to(folder) for file in process.open_files()):
                return True
        except (psutil.Error, OSError):  # ended meanwhile, or another person's
            continue
    return False


def quick_check(path: Path, limit_s: float) -> str | None:
    """Return ``ok`` or SQLite's first complaint about a database; None if the time was up before it had finished.

    Raises:
        sqlite3.DatabaseError: the file is no database.
    """
    give_up_at = time.monotonic() + limit_s
    with _reading(path, limit_s) as connection:
        connection.set_progress_handler(lambda: int(time.monotonic() > give_up_at), _OPCODES_BETWEEN_LOOKS)
        try:
            row = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return None
            raise
    return str(row[0])


def dead_runs(situation: Situation) -> Verdict:
    """Name unfinished runs of this host whose process is gone."""
    home = situation.known_home
    if not _databases(home)[0].is_file():
        return Verdict(Status.SKIP, "nothing has run in this home yet")
    if _complaint(home.runs_db, _CHECK_LIMIT_S / len(_databases(home))) not in {None, "ok"}:
        return Verdict(Status.SKIP, "the run history cannot be read now, see above")
    if not _has_unfinished_runs(_databases(home)[0]):
        return ok("no unfinished run")
    import dagster as dg

    from ..platform import put_repository_on_path

    put_repository_on_path()
    from jobs.dead_runs import end_dead_runs

    with dg.DagsterInstance.from_config(str(home.dagster_dir)) as instance:
        dead = end_dead_runs(instance, dry_run=True)
    if dead:
        what = f"{len(dead)} unfinished runs of dead processes, first run {dead[0].run_id[:8]} of {dead[0].process}"
        return Verdict(Status.WARN, what, "tp runs --end-dead")
    return ok("no unfinished run of a dead process")


def left_overs(situation: Situation) -> Verdict:
    """Look for claims and temporary files of processes that are gone; none of them is touched."""
    home = situation.known_home
    give_up_at = time.monotonic() + _SWEEP_LIMIT_S
    claims = sum(_is_left(path) for path in _claims(home))
    temporaries, looked_at, is_complete = 0, 0, True
    for folder in _partition_folders(home.lake_dir):
        looked_at += 1
        with os.scandir(folder) as entries:
            names = [entry.path for entry in entries if entry.name.startswith(".") and entry.name.endswith(".tmp")]
        temporaries += sum(_is_left(Path(name)) for name in names)
        if time.monotonic() > give_up_at:
            is_complete = False
            break
    part = "" if is_complete else f" (the first {looked_at:,} folders of the lake were looked at)"
    if claims or temporaries:
        what = f"{claims} claims and {temporaries} temporary files of processes that are gone{part}"
        return Verdict(Status.WARN, what, "tp runs --end-dead")
    return ok(f"no claim and no temporary file of a dead process{part}")


def _has_unfinished_runs(runs_db: Path) -> bool:
    """Look without Dagster, whose import takes longer than all checks together; where that fails, Dagster has to look."""
    try:
        with _reading(runs_db, _CHECK_LIMIT_S) as connection:
            finished = ", ".join(f"'{status}'" for status in _FINISHED)
            query = f"SELECT count(*) FROM runs WHERE status NOT IN ({finished})"  # noqa: S608  # our own constants
            return bool(connection.execute(query).fetchone()[0])
    except sqlite3.DatabaseError:
        return True


@contextmanager
def _reading(path: Path, limit_s: float) -> Iterator[sqlite3.Connection]:
    """Open a database so that not even the files beside it are touched.

    Without a write-ahead log nobody has it open, and it can be read as it lies; a reader of SQLite would leave an empty log behind.
    """
    is_in_use = path.with_name(f"{path.name}-wal").exists()
    mode = "mode=ro" if is_in_use else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=limit_s)
    try:
        yield connection
    finally:
        connection.close()


def _databases(home: Home) -> tuple[Path, ...]:
    return home.runs_db, home.events_db, home.dagster_dir / "schedules" / "schedules.db"


def _claims(home: Home) -> Iterator[Path]:
    folder = home.claims_dir
    guard = folder / "guard.lock"
    if not guard.is_file():
        return
    # Under the guard, as a backfill does: it must not take our look at a claim for its holder.
    with guard.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # someone takes a claim at this moment
            return
        yield from folder.glob("*.claim")


def _partition_folders(lake: Path) -> Iterator[str]:
    """Yield the folders in which writers put temporary files, rows before quarantine."""
    for root in (lake, lake / "quarantine"):
        for dataset in _folders(root):
            for symbol in _folders(Path(dataset)):
                yield from _folders(Path(symbol))


def _folders(parent: Path) -> list[str]:
    try:
        with os.scandir(parent) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _is_left(path: Path) -> bool:
    """Tell whether nobody holds a file that its owner keeps locked; a shared look disturbs no one."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True
