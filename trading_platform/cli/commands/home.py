"""``tp init``: create a home folder, or tell an existing one about a data folder or more instruments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ConfigurationError, command
from ...home import Home, home_in, refuse_mixture
from ...instruments import Registry, parse_sierra_symbol
from ...settings import load_settings
from .. import console
from ..folders import command_for, home_to_create, make_home, read_instruments, registry_of, write_instruments
from ..options import DryRunOption, HomeOption, JsonOption
from .instruments import activate_all

if TYPE_CHECKING:
    from ...sierra.archive import ScidSource

_HELP = """
Create the home folder that holds lake, run history and the list of instruments. Run again, it adds what is new and keeps the rest.

Example: tp init --sierra-dir ~/SierraChart/Data --instruments MNQ,ES
"""
_KINDS = {"gex_dir": "gamma feed files", "chain_dir": "option chains"}


@dataclass(frozen=True)
class Findings:
    """What lies in a Sierra Chart data folder.

    Attributes:
        files: files of known dated contracts.
        unresolved: names of .scid files that name no dated contract of the registry.
    """

    files: tuple[ScidSource, ...]
    unresolved: tuple[str, ...]

    def contracts(self) -> dict[str, list[str]]:
        """Return the contracts found, by root."""
        found: dict[str, list[str]] = {}
        for contract in sorted({source.contract for source in self.files if source.contract is not None}):
            found.setdefault(contract.root, []).append(contract.symbol)
        return found

    def problems(self) -> list[str]:
        """Return what a person should know about single files."""
        lines = [str(source.error) for source in self.files if source.error is not None]
        count = Counter(source.contract for source in self.files if source.contract is not None)
        lines += [
            f"{contract} exists under several symbols; choose one: tp instruments set {contract.root} --sierra-style fut"
            for contract, number in count.items()
            if number > 1
        ]
        return lines


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init", help=_HELP)(init)


def init(
    home: HomeOption = None,
    sierra_dir: Annotated[
        Path | None, typer.Option("--sierra-dir", help="Sierra Chart's Data folder; default: TP_SIERRA_DIR")
    ] = None,
    gex_dir: Annotated[
        Path | None, typer.Option("--gex-dir", help="Folder for gamma feed files; default: TP_GEX_DIR")
    ] = None,
    chain_dir: Annotated[
        Path | None, typer.Option("--chain-dir", help="Folder with saved option chains; default: TP_CHAIN_DIR")
    ] = None,
    instruments: Annotated[
        str | None, typer.Option("--instruments", help="Symbols that get assets, separated by commas: MNQ,ES")
    ] = None,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Create or extend a home folder."""
    path = home_to_create(home)
    existing = home_in(path)
    registry = registry_of(existing)
    symbols = [registry.spelled(symbol.strip()) for symbol in (instruments or "").split(",") if symbol.strip()]
    for symbol in symbols:
        registry.get(symbol)
    settings = load_settings()
    folder = _checked_folder(sierra_dir or settings.sierra_dir or existing.sierra_dir)
    gamma = {
        "gex_dir": _existing_folder(gex_dir or settings.gex_dir or existing.gex_dir),
        "chain_dir": _existing_folder(chain_dir or settings.chain_dir or existing.chain_dir),
    }
    findings = None if folder is None else _look_into(folder, registry)
    refuse_mixture(path, demo=False)
    if not dry_run:
        existing = make_home(path, sierra_dir=folder, gex_dir=gamma["gex_dir"], chain_dir=gamma["chain_dir"])
        _activate(existing, symbols)
    active = _active_after(existing, symbols)
    has_gamma = any(gamma_folder is not None for gamma_folder in gamma.values())
    next_command = _next_command(path, active, folder, findings, has_gamma=has_gamma)
    if json_output:
        folders = {"sierra_dir": folder, **gamma}
        console.print_json(_as_json(path, folders, active, findings, next_command, dry_run=dry_run))
        return
    console.out.print(f"{'would be ' if dry_run else ''}home: {path}")
    console.out.print(f"data folder: {folder or 'none'}")
    for name, gamma_folder in gamma.items():
        if gamma_folder is not None:
            console.out.print(f"{_KINDS[name]}: {gamma_folder}")
    console.out.print(f"active instruments: {', '.join(active) or 'none'}")
    if findings is not None:
        _print_findings(findings)
    console.out.print("dry run: nothing was created" if dry_run else f"next: {next_command}")


def _checked_folder(folder: Path | None) -> Path | None:
    if folder is None:
        return None
    folder = folder.expanduser()
    if folder.is_dir():
        return folder.resolve()
    raise ConfigurationError(
        "E163",
        f"the Sierra Chart folder {folder} does not exist or is no folder",
        "it is the folder Data inside the folder of SierraChart.exe, where the .scid files lie; nothing was created",
        "tp init --help",
    )


def _existing_folder(folder: Path | None) -> Path | None:
    """Return a folder of gamma data, which need not hold anything yet.

    Raises:
        ConfigurationError: E163 if it does not exist.
    """
    if folder is None or folder.expanduser().is_dir():
        return None if folder is None else folder.expanduser().resolve()
    raise ConfigurationError(
        "E163",
        f"the folder {folder} does not exist or is no folder",
        "files of the gamma feed and option chains are read from folders that exist; nothing was created",
        "tp init --help",
    )


def _look_into(folder: Path, registry: Registry) -> Findings:
    from ...sierra.archive import SierraArchive

    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".scid")
    unresolved = [name for name in names if parse_sierra_symbol(name[: -len(".scid")], registry) is None]
    return Findings(SierraArchive(folder, None, registry).files(), tuple(unresolved))


def _activate(home: Home, symbols: list[str]) -> None:
    after = activate_all(home, symbols)
    if after != read_instruments(home):
        write_instruments(home, after)


def _active_after(home: Home, symbols: list[str]) -> list[str]:
    present = [instrument.symbol for instrument in registry_of(home).active]
    return list(dict.fromkeys([*present, *symbols]))


def _next_command(
    path: Path, active: list[str], folder: Path | None, findings: Findings | None, *, has_gamma: bool
) -> str:
    roots = list(findings.contracts()) if findings is not None else []
    if not active:
        return command_for(path, f"tp instruments activate {' '.join(roots) or 'MNQ'}")
    if roots:
        return command_for(path, "tp backfill --last 20")
    from ...sierra.usual_folders import name_a_folder

    if findings is not None and findings.unresolved and folder is not None:
        return command("tp", "sierra", "inspect", folder / findings.unresolved[0])
    usual = name_a_folder()
    # Gamma files alone are enough to work with: what can be made of them is what the doctor says.
    if folder == usual or (folder is None and has_gamma):
        return command_for(path, "tp doctor")
    return command_for(path, command("tp", "init", "--sierra-dir", usual))


def _print_findings(findings: Findings) -> None:
    contracts = findings.contracts()
    if contracts:
        rows = [(root, len(symbols), ", ".join(symbols)) for root, symbols in contracts.items()]
        console.print_table(("root", "contracts", "found"), rows)
    else:
        console.out.print("no .scid file of a dated contract was found there")
    if findings.unresolved:
        console.out.print(f"not a dated contract of the registry, left alone: {', '.join(findings.unresolved)}")
    for problem in findings.problems():
        console.err.print(problem)


def _as_json(
    path: Path,
    folders: Mapping[str, Path | None],
    active: list[str],
    findings: Findings | None,
    next_command: str,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "home": str(path),
        **{name: None if folder is None else str(folder) for name, folder in folders.items()},
        "active": active,
        "contracts": {} if findings is None else findings.contracts(),
        "unresolved": [] if findings is None else list(findings.unresolved),
        "problems": [] if findings is None else findings.problems(),
        "next": next_command,
    }
