"""Which account a home works with: the vendor's, or that of a stand-in.

Belongs here: telling them apart, and where the files of each lie. Does not belong here: what is done with them (``vendor.py``).

A gateway on this machine is a stand-in. What it sells is synthetic, so its raw files and its ledger lie apart from those of the vendor:
a purchase that never happened must not count as money, and a synthetic file must never be found in place of a real one. A demo home has
an account with a stand-in only: without one it works with what is there, and never asks the vendor.
"""

from __future__ import annotations

from pathlib import Path

from ..clock import Clock
from ..home import Home
from ..instruments import Registry, RollTable
from ..settings import Settings, is_loopback
from .budget import Budget
from .client import DataBentoClient
from .fetch import RawStore
from .ledger import SpendLedger
from .raw_cache import RawCache
from .vendor import Vendor


def open_vendor(
    home: Home,
    settings: Settings,
    registry: Registry,
    rolls: RollTable,
    *,
    clock: Clock,
    run_id: str,
    max_usd: float | None = None,
    rebuy: bool = False,
    owned: bool | None = None,
) -> Vendor:
    """Return the vendor of a home; nothing is read or asked before it is needed.

    Args:
        home: where cache and ledger lie.
        settings: key, gateway, limits.
        registry: instruments.
        rolls: contract of a root.
        clock: time of day.
        run_id: what counts as one run for the limit per run.
        max_usd: limit of this run; None: that of the settings.
        rebuy: see :class:`Vendor`.
        owned: work with files that are at hand and never ask anybody: True for synthetic ones, False for real ones. None: ask the gateway.
    """
    synthetic = is_simulated(home, settings) if owned is None else owned
    may_ask = is_stand_in(settings.databento_gateway) or not home.is_demo
    if owned is not None:
        settings = settings.model_copy(update={"databento_enabled": False})
    store = RawStore(
        DataBentoClient(settings, clock=clock),
        RawCache(raw_root(home, synthetic=synthetic)),
        ledger_of(home, synthetic=synthetic, clock=clock),
        Budget.of(settings, max_usd),
        run_id,
    )
    return Vendor(store, settings, registry, rolls, synthetic=synthetic, may_ask=may_ask, rebuy=rebuy)


def raw_root(home: Home, *, synthetic: bool) -> Path:
    """Return the folder of raw files; those of a stand-in lie apart."""
    return home.cache_dir / "dbn_simulated" if synthetic else home.raw_dbn_dir


def is_simulated(home: Home, settings: Settings) -> bool:
    """Tell whether the account of a home is that of a stand-in."""
    return home.is_demo or is_stand_in(settings.databento_gateway)


def is_stand_in(gateway: str) -> bool:
    """Tell whether a gateway is a stand-in: the vendor is never on this machine, and a tunnel to him from here counts as one."""
    return is_loopback(gateway)


def ledger_of(home: Home, *, synthetic: bool, clock: Clock | None = None) -> SpendLedger:
    """Return the ledger of an account; that of a stand-in lies apart."""
    return SpendLedger(home.simulated_spend_ledger if synthetic else home.spend_ledger, clock)
