"""Order of rows inside a partition, checked while they stream by and again from the statistics of the written file.

Belongs here: sort keys and row numbers. Does not belong here: rules about single rows (``model.py``).
"""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from ..errors import QualityError
from .contract import DatasetContract


class OrderCheck:
    """Check that batches continue each other in the contract's order.

    Args:
        contract: says which columns order the rows, whether keys are unique, and which column numbers the rows.
    """

    def __init__(self, contract: DatasetContract) -> None:
        self._contract = contract
        self._last: tuple[Any, ...] | None = None
        self._rows = 0

    def check(self, batch: pa.RecordBatch) -> None:
        """Check a batch that is not empty.

        Raises:
            QualityError: E402 if a row is out of order or the row number is not the row's position.
        """
        contract = self._contract
        if contract.sort_by:
            keys = [pl.Series(name, pl.from_arrow(batch.column(name))) for name in contract.sort_by]
            first = tuple(key[0] for key in keys)
            in_order = self._last is None or first > self._last or (first == self._last and not contract.sort_strict)
            if not in_order:
                raise self._refusal(self._rows, f"{first} after {self._last}")
            bad = None
            if len(keys) > 1 or not _all_follow(batch.column(contract.sort_by[0]), strict=contract.sort_strict):
                bad = _first_disorder(keys, strict=contract.sort_strict)
            if bad is not None:
                found = f"{tuple(key[bad] for key in keys)} after {tuple(key[bad - 1] for key in keys)}"
                raise self._refusal(self._rows + bad, found)
            self._last = tuple(key[-1] for key in keys)
        self._check_row_number(batch)
        self._rows += batch.num_rows

    def statistics_agree(self, metadata: Any) -> bool:
        """Tell whether the minima and maxima of the row groups of a written file follow each other."""
        if not self._contract.sort_by:
            return True
        index = self._contract.arrow_schema.names.index(self._contract.sort_by[0])
        unique = self._contract.sort_strict and len(self._contract.sort_by) == 1
        highest = None
        for group in range(metadata.num_row_groups):
            statistics = metadata.row_group(group).column(index).statistics
            if statistics is None or not statistics.has_min_max:
                return False
            if highest is not None and not (statistics.min > highest or (statistics.min == highest and not unique)):
                return False
            highest = statistics.max
        return True

    def _check_row_number(self, batch: pa.RecordBatch) -> None:
        """Strictly increasing integers from n to n + rows - 1 count without a hole, so both ends decide."""
        name = self._contract.row_number
        if name is None:
            return
        numbers = batch.column(name)
        first, last = numbers[0].as_py(), numbers[-1].as_py()
        if (first, last) != (self._rows, self._rows + batch.num_rows - 1):
            raise self._refusal(self._rows, f"{name} from {first} to {last} for {batch.num_rows} rows", counted=True)

    def _refusal(self, row: int, found: str, *, counted: bool = False) -> QualityError:
        contract = self._contract
        keys = ", ".join(contract.sort_by)
        expected = f"{contract.row_number} counting from {row}" if counted else f"rows in ascending order of ({keys})"
        expected += " without repeats" if contract.sort_strict and not counted else ""
        return QualityError(
            "E402",
            f"dataset {contract.name} v{contract.version}, row {row}: expected {expected}, was {found}",
            "the builder delivered rows out of order; nothing was written, an older file of the day is intact",
            f'tp sql "describe {contract.name}"',
        )


def _first_disorder(keys: list[pl.Series], *, strict: bool) -> int | None:
    """Return the first position whose key does not follow the one before it, comparing keys from left to right."""
    rows = len(keys[0])
    if rows < 2:
        return None
    pairs = [(key.slice(1), key.slice(0, rows - 1)) for key in keys]
    now, before = pairs.pop()
    follows = now > before if strict else now >= before
    for now, before in reversed(pairs):
        follows = (now > before) | ((now == before) & follows)
    if follows.all() and follows.null_count() == 0:
        return None
    return int((~follows.fill_null(value=False)).arg_max() or 0) + 1


def _all_follow(key: pa.Array, *, strict: bool) -> bool:
    """Tell whether a column of whole numbers or times ascends, the common case, which numpy decides fast; False if not known."""
    if key.null_count or not (pa.types.is_integer(key.type) or pa.types.is_timestamp(key.type)):
        return False
    values = (key.cast(pa.int64()) if pa.types.is_timestamp(key.type) else key).to_numpy()
    return bool((values[1:] > values[:-1] if strict else values[1:] >= values[:-1]).all())
