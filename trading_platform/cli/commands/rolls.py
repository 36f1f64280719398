"""``tp rolls``: which contract is in front when, and where the volume went; ``tp rolls gaps`` is in ``roll_gaps.py``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...clock import SystemClock
from ...errors import ConfigurationError, command
from ...instruments import RollTable, load_roll_table
from ...instruments.crossover import RollProposal, propose_rolls
from ...instruments.rolls import roll_table_of
from ...instruments.rolls_csv import read_rolls_text, replace_csv, with_volume_rolls
from ...sessions import opened
from .. import console
from ..folders import difference, home_or_none, registry_of
from ..options import DryRunOption, FirstOption, JsonOption, LastOption, command_family, day_of, ordered_range
from ..roll_market import Market, RootArgument, WriteOption, print_change
from . import roll_gaps

if TYPE_CHECKING:
    from ...sierra.session_volumes import ArchiveVolumes

_SHOW = """
Show the front contracts of a root with the trade dates of their windows and the rule behind each.

Without --from and --to: from a year ago to half a year ahead. Rows of rolls.csv in the home win over the calendar rule.

Example: tp rolls show MNQ --from 2025-01-01 --to 2025-12-31
"""
_BUILD = """
Propose rolls by volume: the next contract is front from the session after the first one in which it traded more.

Compares the volumes of all .scid files of a root with the calendar rule, and says which stored days would turn stale. Changes nothing
without --write, which puts the proven rolls into rolls.csv of the home. Rows of yours stay, also where the volumes disagree, unless
--replace. Rolls that the volumes do not prove are listed with the reason; the calendar rule stays for them.

Example: tp rolls build ES --from 2025-01-01 --write

--from and --to: the first and the last session looked at; default: all in the archive that are over.
"""
_LOOK_BACK = timedelta(days=365)
_LOOK_AHEAD = timedelta(days=183)
_SHOWN_DAYS = 8


def register(app: typer.Typer) -> None:
    """Add the command family."""
    family = command_family("Show and build the table of rolls from contract to contract.")
    family.command("show", help=_SHOW)(show)
    family.command("build", help=_BUILD)(build)
    family.command("gaps", help=roll_gaps.HELP)(roll_gaps.gaps)
    app.add_typer(family, name="rolls")


def show(
    root: RootArgument,
    first: FirstOption = None,
    last: LastOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show the windows of a root."""
    home = home_or_none()
    registry = registry_of(home)
    root = registry.spelled(root)
    today = opened(SystemClock().now(), registry.get(root))
    begin = day_of(first) or (day_of(last) or today) - _LOOK_BACK
    begin, end = ordered_range(begin, day_of(last) or max(today, begin) + _LOOK_AHEAD, "tp", "rolls", "show", root)
    rolls = load_roll_table(registry, None if home is None else home.rolls_csv)
    rows = [
        (w.contract.symbol, w.first_trade_date, w.end_trade_date - timedelta(days=1), w.rule)
        for w in rolls.windows(root, begin, end)
    ]
    if json_output:
        names = ("contract", "first_trade_date", "last_date", "rule")
        console.print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    console.print_table(("contract", "first trade date", "last date", "rule"), rows, title=f"{root}: front contracts")


def build(
    root: RootArgument,
    first: FirstOption = None,
    last: LastOption = None,
    write: WriteOption = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let the volumes win over rows of rolls.csv that you wrote")
    ] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Propose rolls by volume and, if asked, make them the table."""
    market = Market.open(root)
    root = market.instrument.symbol
    begin, end = day_of(first), day_of(last)
    if begin is not None and end is not None:
        ordered_range(begin, end, "tp", "rolls", "build", root)
    volumes, sessions = _volumes(market, begin, end)
    proposals = propose_rolls(
        market.table,
        RollTable(market.registry, {}),
        root,
        volumes.contracts,
        sessions,
        market.calendar.next_open(sessions[-1]),
        replace_explicit=replace,
    )
    before = read_rolls_text(market.home.rolls_csv)
    rolls = {roll.to_contract: roll.volume_date for roll in proposals if roll.volume_date is not None}
    after = with_volume_rolls(before, rolls, market.registry, replace_explicit=replace)
    stale = _stale_days(market, roll_table_of(market.registry, after))
    written = write and not dry_run and after != before
    if written:
        replace_csv(market.home.rolls_csv, after)
    lines = difference(before, after, "rolls.csv")
    next_commands = _next_commands(root, stale) if after != before else []
    if volumes.synthetic:
        console.label_synthetic()
    if json_output:
        console.print_json(
            {
                "root": root,
                "first_session": sessions[0],
                "last_session": sessions[-1],
                "rolls": [_as_json(market, roll, replace=replace) for roll in proposals],
                "unreadable_files": [{"file": file.name, "error": file.error.as_dict()} for file in volumes.unreadable],
                "stale_days": [{"trade_date": day, "was": was, "would_be": new} for day, was, new in stale],
                "difference": lines,
                "changed": after != before,
                "written": written,
                "next": next_commands,
            }
        )
        return
    _print_rolls(market, proposals, sessions, replace=replace)
    for file in volumes.unreadable:
        console.err.print(f"not read: {file.name}: {file.error.code} {file.error.what}", style="yellow")
    _print_stale(stale)
    if write:
        print_change(lines, dry_run=dry_run, name="rolls.csv")
    elif lines:
        console.out.print(f"proposal: nothing was changed; next: {command('tp', 'rolls', 'build', root, '--write')}")
    else:
        console.out.print("rolls.csv says so already, or nothing is proven: nothing to change")
    for line in next_commands if written else []:
        console.out.print(f"next: {line}")


def _volumes(market: Market, first: date | None, last: date | None) -> tuple[ArchiveVolumes, list[date]]:
    """Sum volumes and return them with the sessions to look at.

    A decision needs the whole time in which a contract is front, so the sessions start with the window of the front contract of ``first``.

    Raises:
        ConfigurationError: E134 if the archive has no session in the range.
    """
    from ...sierra.session_volumes import session_volumes

    root = market.instrument.symbol
    begin = None if first is None else market.table.windows(root, first, first)[0].first_trade_date
    end = min(last or date.max, market.calendar.newest_final(market.now))
    volumes = session_volumes(
        market.archive,
        market.registry,
        market.instrument,
        market.calendar,
        market.now,
        first=begin,
        last=end,
        cache_dir=market.home.cache_dir,
    )
    if volumes.first is None or volumes.last is None:
        problems = "; ".join(f"{file.name}: {file.error.code} {file.error.what}" for file in volumes.unreadable)
        raise ConfigurationError(
            "E134",
            f"no .scid file of {root} has a session from {first or 'the beginning'} to {end}{problems and ': '}{problems}",
            "the volume rule needs the files of two contracts; the calendar rule stays, and nothing was changed",
            command("tp", "rolls", "show", root),
        )
    days = market.calendar.sessions(volumes.first, volumes.last)
    return volumes, [session.trade_date for session in days if session.is_open]


def _stale_days(market: Market, after: RollTable) -> list[tuple[date, str, str]]:
    """Return the stored days whose front contract would change, with both contracts."""
    root = market.instrument.symbol
    fronts = [
        (day, market.table.front(root, day).symbol, after.front(root, day).symbol) for day in market.stored_days()
    ]
    return [(day, was, new) for day, was, new in fronts if was != new]


def _next_commands(root: str, stale: Sequence[tuple[date, str, str]]) -> list[str]:
    measure = command("tp", "rolls", "gaps", root, "--write")
    if not stale:
        return [measure]
    return [command("tp", "backfill", f"{root}/*", "--from", stale[0][0], "--to", stale[-1][0]), measure]


def _sessions_later(market: Market, roll: RollProposal) -> int | None:
    """Return open sessions from the calendar rule's date to that of the volumes; negative if the volumes roll earlier."""
    if roll.volume_date is None or roll.calendar_date is None:
        return None
    early, late = sorted((roll.volume_date, roll.calendar_date))
    between = [day for day in market.calendar.sessions(early, late - timedelta(days=1)) if day.is_open]
    return len(between) if roll.volume_date >= roll.calendar_date else -len(between)


def _note(roll: RollProposal, *, replace: bool) -> str:
    """Return what a person should know about a roll."""
    notes = [] if roll.reason is None else [f"not proven: {roll.reason}"]
    if roll.contradicts_explicit:
        kept = "replaced by the volumes (--replace)" if replace else "kept; --replace lets the volumes win"
        notes.append(f"your row of rolls.csv says {roll.table_date}: {kept}")
    if roll.undecided:
        day, reason = roll.undecided[0]
        more = f" and {len(roll.undecided) - 1} more" if len(roll.undecided) > 1 else ""
        notes.append(f"could not be compared: {day} ({reason}){more}")
    return "; ".join(notes)


def _as_json(market: Market, roll: RollProposal, *, replace: bool) -> dict[str, Any]:
    return {
        "from_contract": roll.from_contract.symbol,
        "to_contract": roll.to_contract.symbol,
        "calendar_date": roll.calendar_date,
        "table_date": roll.table_date,
        "table_rule": roll.table_rule,
        "volume_date": roll.volume_date,
        "sessions_later": _sessions_later(market, roll),
        "deciding_session": roll.deciding_session,
        "from_volume": roll.from_volume,
        "to_volume": roll.to_volume,
        "conflict": roll.contradicts_explicit,
        "reason": roll.reason,
        "undecided": [{"trade_date": day, "reason": reason} for day, reason in roll.undecided],
        "note": _note(roll, replace=replace),
    }


def _print_rolls(market: Market, rolls: Sequence[RollProposal], sessions: Sequence[date], *, replace: bool) -> None:
    rows = [
        (
            f"{roll.from_contract} > {roll.to_contract}",
            roll.calendar_date,
            f"{roll.table_date} {roll.table_rule}",
            roll.volume_date,
            _sessions_later(market, roll),
            roll.deciding_session,
            roll.from_volume,
            roll.to_volume,
            _note(roll, replace=replace),
        )
        for roll in rolls
    ]
    columns = (
        "roll",
        "calendar rule",
        "table now",
        "volume rule",
        "sessions later",
        "decided by",
        "volume old",
        "volume new",
        "note",
    )
    title = f"{market.instrument.symbol}: rolls by volume, sessions {sessions[0]} to {sessions[-1]}"
    console.print_table(columns, rows, title=title)


def _print_stale(stale: Sequence[tuple[date, str, str]]) -> None:
    if not stale:
        console.out.print("no stored day would change its contract")
        return
    shown = ", ".join(f"{day} ({was} > {new})" for day, was, new in stale[:_SHOWN_DAYS])
    more = f" and {len(stale) - _SHOWN_DAYS} more" if len(stale) > _SHOWN_DAYS else ""
    console.out.print(f"stored days of another contract by this table, {len(stale)}: {shown}{more}")
