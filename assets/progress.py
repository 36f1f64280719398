"""One helper that every dated asset uses: it turns day results into events, in the one order that survives a crash.

Belongs here: ``PartitionProgress``. Order per day: contract and data checks, commit of the file (both in ``build_day``), then
``log_event(AssetMaterialization)``, then ``add_asset_metadata``. A crash between commit and event costs one repeated day, which finds its
fingerprint in the footer and writes nothing. Never yield a ``MaterializeResult`` per day: Dagster marks the whole range done at the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import dagster as dg
import structlog

from trading_platform.lake import DayResult
from trading_platform.process import ProcessIdentity

from .builders import Workbench, maker_for
from .metadata import describe_failures, event_metadata, failure_metadata
from .partitions import trade_date_of

_log = structlog.get_logger()

TAG_FORCE = "tp/force"
TAG_VERIFY = "tp/verify"


DayListener = Callable[[dg.AssetKey, DayResult], None]
_listeners: list[DayListener] = []


@contextmanager
def listening(listener: DayListener) -> Iterator[None]:
    """Have ``listener`` called after each day of the runs that this process executes inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class PartitionProgress:
    """Collect the results of the days of one run and fail once, at the end, if any day is bad.

    Use as a context manager around the loop over ``context.partition_keys``. Good days stay done whatever happens to the others.
    """

    def __init__(self, context: dg.AssetExecutionContext, workbench: Workbench) -> None:
        self._context = context
        self._symbol, self._dataset = context.asset_key.path
        self._maker = maker_for(context.asset_key, workbench)
        self._tags = context.run.tags
        self.results: list[DayResult] = []

    def __enter__(self) -> Self:
        """Sign the run with this process, so that a dead run can be told from a living one."""
        identity = ProcessIdentity.current()
        if ProcessIdentity.from_tags(self._tags) != identity:
            self._context.instance.add_run_tags(self._context.run.run_id, identity.to_tags())
        return self

    def prepare(self, partition_keys: Sequence[str]) -> None:
        """Let the maker look at all days of the run."""
        self._maker.prepare([trade_date_of(key) for key in partition_keys])

    def build(self, partition_key: str) -> DayResult:
        """Make one day and record what became of it."""
        result = self._maker.make(
            trade_date_of(partition_key),
            force=self._tags.get(TAG_FORCE) == "true",
            verify=self._tags.get(TAG_VERIFY) == "true",
        )
        self.results.append(result)
        self._record(result, partition_key)
        _log.info(
            "day",
            symbol=self._symbol,
            dataset=self._dataset,
            trade_date=partition_key,
            outcome=result.outcome.value,
            rows=result.rows,
            error=None if result.error is None else result.error.code,
            run_id=self._context.run.run_id,
            seconds=round(result.seconds, 4),
        )
        for listener in _listeners:
            listener(self._context.asset_key, result)
        return result

    def _record(self, result: DayResult, partition_key: str) -> None:
        key = self._context.asset_key
        if not result.outcome.is_materialized:
            metadata = failure_metadata(result)
            self._context.log_event(dg.AssetObservation(key, partition=partition_key, metadata=metadata))
            return
        metadata = event_metadata(result, symbol=self._symbol, dataset=self._dataset)
        self._context.log_event(dg.AssetMaterialization(key, partition=partition_key, metadata=metadata))
        # Dagster adds one more event per partition at the end of the run; without this it would be the empty one that people see.
        self._context.add_asset_metadata(metadata, partition_key=partition_key)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise one failure that names every bad day."""
        self._maker.close()
        failures = [result for result in self.results if not result.outcome.is_materialized]
        if kind is not None or not failures:
            return
        raise dg.Failure(
            description=describe_failures(failures),
            metadata={"bad_days": [result.trade_date.isoformat() for result in failures]},
            allow_retries=False,
        )


def build_days(context: dg.AssetExecutionContext) -> None:
    """Make every partition of this run: the body of all dated assets."""
    with Workbench.from_context(context) as workbench, PartitionProgress(context, workbench) as progress:
        progress.prepare(context.partition_keys)
        for partition_key in context.partition_keys:
            progress.build(partition_key)
