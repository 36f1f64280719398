"""Limits on what is spent.

Belongs here: comparing a plan with the limits and naming the cheapest next step. Does not belong here: what was spent (``ledger.py``),
what a day costs (``client.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ..errors import RefusedError, command
from ..settings import Settings
from ..words import counted
from .ledger import Totals

# Costs are sums of floats; a millionth of a dollar is no overrun.
_TOLERANCE_USD = 1e-6


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """One paid request that a plan holds.

    Attributes:
        symbol: as the user named it.
        trade_date: its day.
        cost_usd: by the vendor's preview; None if it could not be told.
    """

    symbol: str
    trade_date: date
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit and what is left of it.

    Attributes:
        name: ``run``, ``day`` or ``month``.
        limit_usd: the limit.
        spent_usd: what counts against it already.
    """

    name: str
    limit_usd: float
    spent_usd: float

    @property
    def left_usd(self) -> float:
        """Return what may still be spent; never below zero."""
        return max(0.0, self.limit_usd - self.spent_usd)


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one run.

    Attributes:
        per_run_usd: most that this run may cost.
        per_day_usd: most that one UTC day may cost, over all runs.
        per_month_usd: most that one UTC month may cost, over all runs.
        asked_usd: what a person set for this run, ``--max-usd``; the next command keeps it. None: the limit is that of the settings.
    """

    per_run_usd: float
    per_day_usd: float
    per_month_usd: float
    asked_usd: float | None = None

    @classmethod
    def of(cls, settings: Settings, max_usd: float | None = None) -> Budget:
        """Return the limits of the settings; ``max_usd`` replaces the limit per run."""
        return cls(
            settings.databento_max_usd_per_run if max_usd is None else max_usd,
            settings.databento_max_usd_per_day,
            settings.databento_max_usd_per_month,
            max_usd,
        )

    def limits(self, totals: Totals, run_id: str, now: datetime) -> tuple[Limit, Limit, Limit]:
        """Return the three limits with what was spent against them."""
        return (
            Limit("run", self.per_run_usd, totals.by_run.get(run_id, 0.0)),
            Limit("day", self.per_day_usd, totals.by_day.get(f"{now:%Y-%m-%d}", 0.0)),
            Limit("month", self.per_month_usd, totals.by_month.get(f"{now:%Y-%m}", 0.0)),
        )

    def require(self, plan: Sequence[PlannedDay], totals: Totals, run_id: str, now: datetime) -> None:
        """Let a plan pass if all of it fits.

        Args:
            plan: everything that will be paid.
            totals: of the ledger.
            run_id: of this run.
            now: decides which day and month it is, UTC.

        Raises:
            RefusedError: E350 over a limit; names the cheapest next step. E351 a cost is not known.
        """
        unknown = [day for day in plan if day.cost_usd is None or not day.cost_usd >= 0]
        if unknown:
            raise RefusedError(
                "E351",
                f"the cost of {unknown[0].symbol} on {unknown[0].trade_date} is not known ({len(unknown)} of {counted(len(plan), 'day')})",
                "an unknown cost is never spent; no paid call was made",
                command("tp", "l2", "plan", *_range(unknown[:1])),
            )
        total = sum(day.cost_usd or 0.0 for day in plan)
        tightest = min(self.limits(totals, run_id, now), key=lambda limit: limit.left_usd)
        if not plan or total <= tightest.left_usd + _TOLERANCE_USD:
            return
        asked = () if self.asked_usd is None else ("--max-usd", f"{self.asked_usd:g}")
        raise _over(plan, total, tightest, asked)


def _over(plan: Sequence[PlannedDay], total: float, tightest: Limit, asked: Sequence[str]) -> RefusedError:
    cheapest_first = sorted(plan, key=lambda day: (day.cost_usd or 0.0, day.trade_date, day.symbol))
    fitting: list[PlannedDay] = []
    left = tightest.left_usd + _TOLERANCE_USD
    for day in cheapest_first:
        left -= day.cost_usd or 0.0
        if left < 0:
            break
        fitting.append(day)
    cheapest = cheapest_first[0]
    spent = f"{usd(tightest.spent_usd)} of {usd(tightest.limit_usd)} spent"
    if fitting:
        amount = usd(sum(day.cost_usd or 0.0 for day in fitting))
        hint = (
            f"{len(fitting)} of {counted(len(plan), 'day')} would fit, for {amount}; the cheapest is the next command"
        )
        following = command("tp", "l2", "backfill", *_range([cheapest]), *asked)
    else:
        hint = f"not even the cheapest day fits ({usd(cheapest.cost_usd or 0.0)}); the next command shows it"
        following = command("tp", "l2", "plan", *_range([cheapest]), *asked)
        if tightest.name == "run":
            ceiling = f"{_round_up(cheapest.cost_usd or 0.0):.2f}"
            hint = f"not even the cheapest day fits; the next command raises the limit just enough for it, {usd(float(ceiling))}"
            following = command("tp", "l2", "backfill", *_range([cheapest]), "--max-usd", ceiling)
    days = counted(len(plan), "day")
    return RefusedError(
        "E350",
        f"the plan costs {usd(total)} for {days}, {usd(tightest.left_usd)} are left of the limit per {tightest.name} ({spent})",
        f"no paid call was made; {hint}; limits: TP_DATABENTO_MAX_USD_PER_RUN, _PER_DAY, _PER_MONTH",
        following,
    )


def usd(amount: float) -> str:
    """Render an amount; below ten cents with the digits that matter."""
    return f"${amount:,.2f}" if amount >= 0.1 or amount == 0 else f"${amount:.3g}"


def _range(days: Sequence[PlannedDay]) -> list[str]:
    first = days[0]
    return ["--symbols", first.symbol, "--from", str(first.trade_date), "--to", str(first.trade_date)]


def _round_up(amount: float) -> float:
    return (int(amount * 100) + 1) / 100
