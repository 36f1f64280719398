"""Whether a dataset is as new as the exchange calendar says it could be.

Belongs here: the comparison of stored days with finished sessions, as a data check. Does not belong here: what makes a day complete (the
materialization event, ``assets``), coverage of all days, when the check runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Final

from ..errors import command
from ..sessions import TradingCalendar
from .building import CheckResult, Json, Severity

FRESH_BY_CALENDAR: Final = "fresh_by_calendar"
FRESHNESS_TEXT: Final = "The newest session that is over is stored completely (warning)."


def check_freshness(
    key: str, calendar: TradingCalendar, now: datetime, stored: Iterable[date], is_complete: Callable[[date], bool]
) -> CheckResult:
    """Judge how new a dataset is.

    Args:
        key: the asset key for the command, e.g. ``MNQ/ticks``.
        calendar: sessions of the instrument.
        now: aware time.
        stored: trade dates that have a file, in any order.
        is_complete: tells of a stored day whether its session was over when it was made; asked from the newest day backwards, and no
            further than the first complete one.

    Returns:
        A warning if the newest complete day of an open session is older than the newest session that is over. ``values``: newest_final,
        newest_complete, sessions_late, days_late (calendar days; these three null if no complete day is stored) and next_command (null if
        nothing is late). Days missing before the newest one are not looked at, the coverage board shows them.

    Raises:
        ConfigurationError: E140 if the calendar does not cover ``now``, E143 naive datetime.
    """
    final = calendar.newest_final(now)
    open_days = (day for day in sorted(stored, reverse=True) if calendar.session(day).is_open)
    newest = next((day for day in open_days if is_complete(day)), None)
    late: list[date] = [final]
    if newest is not None:
        between = calendar.sessions(newest + timedelta(days=1), final)
        late = [session.trade_date for session in between if session.is_open]
    next_command = command("tp", "backfill", key, "--from", late[0], "--to", final) if late else None
    description = f"newest complete day {newest}, newest finished session {final}"
    if next_command is not None:
        days_late = "nothing complete is stored" if newest is None else f"{len(late)} session(s) late"
        description += f": {days_late}; next: {next_command}"
    values: dict[str, Json] = {
        "newest_final": final.isoformat(),
        "newest_complete": None if newest is None else newest.isoformat(),
        "sessions_late": None if newest is None else len(late),
        "days_late": None if newest is None else max(0, (final - newest).days),
        "next_command": next_command,
    }
    return CheckResult(FRESH_BY_CALENDAR, not late, Severity.WARN, description, values)
