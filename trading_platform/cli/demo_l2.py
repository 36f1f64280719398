"""The demo's level 2: bought from a stand-in that runs in this process as long as the demo does.

Belongs here: the stand-in, the vendor that asks it, and what became of the purchase. Does not belong here: which assets the demo runs
(``commands/demo.py``), the stand-in itself (``trading_platform.simulation.databento``).

Nothing of the user's account gets in: key, gateway, limits and mapping file of the environment do not count, and the vendor is never asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretStr

from ..clock import SystemClock
from ..databento.account import ledger_of, open_vendor
from ..databento.vendor import Vendor
from ..home import Home
from ..instruments import load_registry, load_roll_table
from ..settings import Settings, load_settings
from ..simulation.databento import DataBentoStandIn, StandInMarket

_OF_THE_USER: Final = ("databento_", "l2_", "symbol_mapping", "watchlist")


@dataclass(frozen=True, slots=True)
class Purchase:
    """What the demo has bought with pretend money.

    Attributes:
        days: days bought by this call.
        usd: pretend dollars of this call.
        days_before: days bought by calls before it.
        usd_before: pretend dollars of those.
    """

    days: int
    usd: float
    days_before: int
    usd_before: float


@dataclass(slots=True)
class Counter:
    """The shop of the demo while it is open.

    Attributes:
        vendor: asks the stand-in.
    """

    vendor: Vendor

    def purchase(self, home: Home) -> Purchase:
        """Return what the ledger of the stand-in says of this call and of those before."""
        calls = ledger_of(home, synthetic=True).calls()
        own = [call for call in calls if call.run_id == self.vendor.store.run_id]
        before = [call for call in calls if call.run_id != self.vendor.store.run_id]
        return Purchase(
            len({(call.symbol, call.trade_date) for call in own}),
            sum(call.cost_usd for call in own),
            len({(call.symbol, call.trade_date) for call in before}),
            sum(call.cost_usd for call in before),
        )


@contextmanager
def open_shop(home: Home) -> Iterator[Counter]:
    """Serve the demo's market on a free port for the length of the block, and close the port afterwards.

    Raises:
        RefusedError: E371 if no port can be taken.
    """
    registry = load_registry(home.instruments_toml)
    rolls = load_roll_table(registry, home.rolls_csv)
    run_id = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    with DataBentoStandIn(StandInMarket.of_demo(registry, rolls)) as stand_in:
        given = stand_in.environment
        settings = _settings(stand_in.gateway, given["DATABENTO_API_KEY"])
        # The library that asks finds the certificate, and the way past a proxy, in the environment only.
        with _environment({name: value for name, value in given.items() if not name.startswith(("TP_", "DATABENTO"))}):
            yield Counter(open_vendor(home, settings, registry, rolls, clock=SystemClock(), run_id=run_id))


def _settings(gateway: str, key: str) -> Settings:
    """Return the settings of the user, but for everything that concerns buying."""
    usual = {name: field.default for name, field in Settings.model_fields.items() if name.startswith(_OF_THE_USER)}
    changes = {**usual, "databento_gateway": gateway, "databento_api_key": SecretStr(key)}
    return load_settings().model_copy(update=changes)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
