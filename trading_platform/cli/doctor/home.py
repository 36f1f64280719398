"""Checks of settings, home, data folder and the files that a person edits.

Belongs here: what needs no Dagster. Does not belong here: run history and claims (``runs.py``).
"""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from ...errors import PlatformError, command
from ...home import Home
from ...settings import LEGACY_NAMES, dotenv_of, unknown_settings
from .verdict import Situation, Status, Verdict, ok


def settings(situation: Situation) -> Verdict:
    """Tell of values that do not fit and of names that nothing reads, in the environment and in ``.env``."""
    problem = situation.problem
    if problem is not None and situation.settings is None:
        return Verdict(Status.FAIL, f"{problem.code} {problem.what}", problem.next_command)
    names = {**dotenv_of(situation.working_directory), **situation.environment}
    unknown = unknown_settings(names)
    if unknown:
        return Verdict(Status.WARN, f"{', '.join(unknown)} is set, but no setting has that name", "tp config")
    legacy = sorted(name for name in LEGACY_NAMES if name in names and name != "LOG_LEVEL")
    if legacy:
        what = ", ".join(f"{name} (use {LEGACY_NAMES[name]})" for name in legacy)
        return Verdict(Status.WARN, f"names of older scripts are set and not read: {what}", "tp config")
    return ok("every TP_ name is known and its value fits")


def home(situation: Situation) -> Verdict:
    """Tell which home this command would use."""
    if situation.home is not None:
        kind = "synthetic demo data" if situation.home.is_demo else "real data"
        return ok(f"{situation.home.path} ({kind})")
    if situation.problem is not None:
        return Verdict(
            Status.FAIL, f"{situation.problem.code} {situation.problem.what}", situation.problem.next_command
        )
    return Verdict(
        Status.WARN,
        f"no home folder in {situation.working_directory} or above it, and TP_HOME is not set",
        "tp init --instruments MNQ,ES",
    )


def write_access(situation: Situation) -> Verdict:
    """Write, sync, rename and delete one small file in each folder of the home."""
    home_folder = situation.known_home
    folders = (home_folder.path, home_folder.lake_dir, home_folder.cache_dir, home_folder.dagster_dir)
    for folder in folders:
        if not folder.is_dir():
            what = f"{folder} is missing or no folder"
            return Verdict(Status.FAIL, what, command("tp", _creator(home_folder), "--home", home_folder.path))
        try:
            probe(folder)
        except OSError as error:
            return Verdict(Status.FAIL, f"{folder} cannot be written: {error.strerror or error}", _allow(folder, error))
    return ok(f"{', '.join(folder.name for folder in folders)} can be written")


def _allow(folder: Path, error: OSError) -> str:
    """Return the command that gives back the right to write, or shows how full the disk is and what it is."""
    if error.errno not in {errno.EACCES, errno.EPERM}:
        return command("df", "-h", folder)
    if folder.stat().st_uid == os.getuid():
        return command("chmod", "u+rwx", folder)
    return command("sudo", "chown", os.getuid(), folder)


def probe(folder: Path) -> None:
    """Do what a commit does, with a file of one byte; nothing is left behind, also when it fails.

    Raises:
        OSError: the folder or its disk refuses.
    """
    temporary = folder / f".tp-doctor.{uuid.uuid4().hex}.tmp"
    target = temporary.with_suffix(".probe")
    try:
        with temporary.open("wb") as file:
            file.write(b".")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    finally:
        temporary.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def data_folder(situation: Situation) -> Verdict:
    """Look for tick and depth files in Sierra Chart's data folder."""
    from ...sierra.usual_folders import name_a_folder

    folder = situation.sierra_dir
    here = situation.known_home
    make = ("tp", _creator(here), "--home", here.path)
    name_it = command(*make) if here.is_demo else command(*make, "--sierra-dir", name_a_folder())
    if folder is None:
        if here.sources_toml.is_file():
            return ok("no data folder; single files are registered in sources.toml")
        return Verdict(Status.WARN, "no Sierra Chart data folder is named", name_it)
    if not folder.is_dir():
        return Verdict(Status.FAIL, f"the data folder {folder} does not exist", name_it)
    try:
        names = [path.name.lower() for path in folder.iterdir()]
    except OSError as error:
        return Verdict(Status.FAIL, f"the data folder {folder} cannot be read: {error.strerror or error}", name_it)
    ticks = sum(name.endswith(".scid") for name in names)
    if ticks == 0:
        return Verdict(Status.WARN, f"{folder} holds no .scid file", name_it)
    return ok(f"{folder}: {ticks:,} .scid files, {_depth_files(folder, here)}")


def _depth_files(folder: Path, here: Home) -> str:
    from ...instruments import load_registry
    from ...sierra.depth.archive import DepthArchive

    try:
        number = len(DepthArchive(folder, load_registry(here.instruments_toml)).files())
    except PlatformError as error:
        return f"market depth cannot be listed ({error.code} {error.what})"
    return f"{number:,} .depth files" if number else "no .depth file"


def edited_files(situation: Situation) -> Verdict:
    """Read the files that a person edits: instruments, rolls, gaps at rolls, sources, parameters and routes of regimes."""
    from ...instruments import load_registry, load_roll_table
    from ...instruments.roll_gaps_csv import read_roll_gaps
    from ...regimes import load_parameters, load_routing
    from ...sierra.sources import read_sources

    here = situation.known_home
    problems: list[PlatformError] = []
    sources = 0
    try:
        registry = load_registry(here.instruments_toml)
    except PlatformError as error:  # both tables of rolls are read with the instruments
        problems.append(error)
    else:
        try:
            load_roll_table(registry, here.rolls_csv)
        except PlatformError as error:
            problems.append(error)
        try:
            read_roll_gaps(here.roll_gaps_csv, registry)
        except PlatformError as error:
            problems.append(error)
        try:
            known = registry.with_own_gamma
            for symbol in known:  # a value of one symbol may contradict a setting or the table of all
                load_parameters(here.regimes_toml, symbol, situation.settings, known_symbols=known)
        except PlatformError as error:
            problems.append(error)
    try:
        load_routing(here.regime_routing_toml)
    except PlatformError as error:
        problems.append(error)
    try:
        sources = len(read_sources(here.sources_toml))
    except PlatformError as error:
        problems.append(error)
    if problems:
        what = "; ".join(f"{error.code} {error.what}" for error in problems)
        return Verdict(Status.FAIL, what, problems[0].next_command)
    names = "instruments.toml, rolls.csv, roll_gaps.csv, regimes.toml, regime_routing.toml"
    return ok(f"{names} and sources.toml ({sources} files) can be read, or are not there")


def instruments(situation: Situation) -> Verdict:
    """Tell whether each active future has a price scale for the files that are there."""
    from ...instruments import load_registry
    from ...sierra.archive import SierraArchive

    here = situation.known_home
    registry = load_registry(here.instruments_toml)
    if not registry.active:
        return Verdict(Status.WARN, "no instrument is active, so nothing has assets", "tp instruments activate MNQ")
    for instrument in registry.active:
        if instrument.is_future and (instrument.sierra is None or not instrument.sierra.price_scales):
            return Verdict(
                Status.FAIL,
                f"{instrument.symbol} has no price scale",
                command("tp", "instruments", "set", instrument.symbol, "--price-scale", "1"),
            )
    folder = situation.sierra_dir
    archive = SierraArchive(folder if folder is not None and folder.is_dir() else None, here.sources_toml, registry)
    active = {instrument.symbol for instrument in registry.active}
    for source in archive.files():
        if source.contract is not None and source.contract.root in active and archive.price_scale(source) is None:
            return Verdict(
                Status.WARN,
                f"{source.contract.root} has no price scale for files of the style {source.style}, such as {source.path.name}",
                command("tp", "sierra", "inspect", source.path),
            )
    return ok(f"active: {', '.join(sorted(active))}; each future has a price scale")


def _creator(here: Home) -> str:
    return "demo" if here.is_demo else "init"
