"""The register of ``.scid`` files outside the archive folder, ``<home>/sources.toml``.

Belongs here: reading and changing that file. Does not belong here: choosing between files (``archive.py``).

Layout: one ``[[source]]`` table per file with ``path`` (absolute) and ``contract`` (``ESH23``).
"""

from __future__ import annotations

import fcntl
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError, SourceError, command
from ..files import replace_file
from ..instruments import Contract
from .scid import ScidFile


@dataclass(frozen=True, slots=True)
class RegisteredSource:
    """A file that stands for a contract by the user's word.

    Attributes:
        path: absolute path.
        contract: the contract whose ticks it holds.
    """

    path: Path
    contract: Contract


def read_sources(sources_toml: Path | None) -> tuple[RegisteredSource, ...]:
    """Return the registered files in the order of the register; none if there is no register.

    Raises:
        SourceError: E216 the register cannot be read.
    """
    if sources_toml is None:
        return ()
    try:
        text = sources_toml.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise _malformed(sources_toml, str(error)) from error
    try:
        tables = tomllib.loads(text).get("source", [])
        return tuple(RegisteredSource(Path(table["path"]), Contract.parse(table["contract"])) for table in tables)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ConfigurationError) as error:
        raise _malformed(sources_toml, str(error).partition("\n")[0]) from error


def register_source(sources_toml: Path, path: Path, contract: Contract, *, replace: bool = False) -> RegisteredSource:
    """Register a file for a contract, so that its days can be rebuilt by anyone later.

    Registering the same file again changes nothing. A file that has disappeared is replaced.

    Args:
        sources_toml: the register; created if absent.
        path: the file; stored as an absolute path.
        contract: the contract whose ticks it holds.
        replace: take this file although another one that still exists is registered for the contract.

    Raises:
        SourceError: E200 to E203 the file is not a readable ``.scid`` file; E216 the register cannot be read; E217 another
            file is registered.
        ConfigurationError: E133 the register cannot be written.
    """
    new = RegisteredSource(path.resolve(), contract)
    ScidFile(new.path).close()
    try:
        _register(sources_toml, new, replace=replace)
    except OSError as error:
        raise ConfigurationError(
            "E133",
            f"{sources_toml.name} cannot be written: {error.strerror or error}",
            "the home folder may not be written, or the disk is full; the file is as it was",
            command("tp", "config"),
        ) from error
    return new


def _register(sources_toml: Path, new: RegisteredSource, *, replace: bool) -> None:
    """Change the register while no other process does."""
    contract = new.contract
    sources_toml.parent.mkdir(parents=True, exist_ok=True)
    with sources_toml.with_name(f".{sources_toml.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = read_sources(sources_toml)
        other = next((one for one in known if one.contract == contract and one.path != new.path), None)
        if other is not None and other.path.exists() and not replace:
            raise SourceError(
                "E217",
                f"{contract} is registered from {other.path}, not from {new.path}",
                "two files of one contract are never merged, and days built from the first could not be rebuilt; nothing was changed. "
                f"Remove the entry from {sources_toml.name} to take the new file",
                f"tp sierra inspect {new.path}",
            )
        kept = [one for one in known if one.contract != contract and one.path != new.path]
        _write(sources_toml, [*kept, new])


def _write(sources_toml: Path, sources: list[RegisteredSource]) -> None:
    lines = ["# Files outside the Sierra Chart folder, registered by tp import. They win over files of that folder."]
    for source in sources:
        # A JSON string without escaped surrogates is a valid TOML basic string.
        lines += [
            "",
            "[[source]]",
            f"path = {json.dumps(str(source.path), ensure_ascii=False)}",
            f'contract = "{source.contract}"',
        ]
    text = "\n".join(lines) + "\n"
    replace_file(sources_toml, lambda file: file.write(text.encode()))


def _malformed(sources_toml: Path, detail: str) -> SourceError:
    return SourceError(
        "E216",
        f"{sources_toml.name} cannot be read: {detail}",
        "expected [[source]] tables with path and contract; the file is left as it is",
        "tp config",
    )
