"""DataBento as a resource."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from trading_platform.clock import Clock
from trading_platform.databento.account import open_vendor
from trading_platform.databento.vendor import Vendor
from trading_platform.home import open_home
from trading_platform.instruments import Registry, RollTable
from trading_platform.process import ProcessIdentity
from trading_platform.settings import load_settings

BACKFILL_TAG = "dagster/backfill"


class DataBentoResource(dg.ConfigurableResource[Vendor]):
    """The vendor of level 2. The key comes from the environment only, so it is in no configuration and on no page.

    Attributes:
        home: the installation; its cache keeps what was paid, its ledger what was spent.
        max_usd_per_run: most that one run may cost, USD; None: TP_DATABENTO_MAX_USD_PER_RUN.
        rebuy: buy days again although they are in the cache.
    """

    home: str
    max_usd_per_run: float | None = None
    rebuy: bool = False
    _run_id: str = PrivateAttr(default="plan")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember what is one run for the limit per run: a backfill as a whole, in the web UI or of ``tp``, else the run itself."""
        run = context.run
        if run is None:
            return
        process = ProcessIdentity.from_tags(run.tags)
        self._run_id = run.tags.get(BACKFILL_TAG) or (
            run.run_id if process is None else "-".join(process.to_tags().values())
        )

    def vendor(self, registry: Registry, rolls: RollTable, clock: Clock) -> Vendor:
        """Return the vendor for this run; nothing is read or asked before it is needed."""
        return open_vendor(
            open_home(Path(self.home)),
            load_settings(),
            registry,
            rolls,
            clock=clock,
            run_id=self._run_id,
            max_usd=self.max_usd_per_run,
            rebuy=self.rebuy,
        )


class SharedVendor:
    """One vendor for everything that a process does: what was asked once is known to all its runs, and they share one limit.

    Args:
        vendor: the vendor.
    """

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor

    def vendor(self, registry: Registry, rolls: RollTable, clock: Clock) -> Vendor:  # noqa: ARG002
        """Return the shared vendor."""
        return self._vendor
