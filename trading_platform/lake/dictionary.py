"""The data dictionary: one table per dataset, made from the contracts.

Belongs here: the text of ``docs/data-dictionary.md``. Does not belong here: what the columns mean (``contracts/``). A test compares
the page with this module, so that it cannot fall behind.

``python -m trading_platform.lake.dictionary > docs/data-dictionary.md`` writes the page anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from .contract import ColumnDoc, DatasetContract
from .contracts import CONTRACTS

_INTRODUCTION = """\
# Data dictionary

Every dataset of the lake with its columns, made from the contracts in `trading_platform/lake/contracts` by
`python -m trading_platform.lake.dictionary`; do not edit it by hand. Types are those of the stored Parquet files.

* One file per symbol and trade date: `<lake>/<folder>/symbol=<S>/date=<YYYY-MM-DD>/part-0.parquet`.
* `lake.read` and the SQL views add `symbol` (text) and `trade_date` (date), which the files themselves do not repeat.
* Times are UTC. A column holds nulls only where the table says so; null means that the source has no value, never zero.
* The version rises when a column changes, and it is part of every fingerprint: files of another version count as stale.
"""


def data_dictionary(contracts: Iterable[DatasetContract] = CONTRACTS.values()) -> str:
    """Return the page as Markdown, one section per dataset in the order given."""
    return "\n".join([_INTRODUCTION, *(_section(contract) for contract in contracts)])


def _section(contract: DatasetContract) -> str:
    about = [
        f"## {contract.name}",
        "",
        contract.description,
        "",
        f"Version {contract.version}. Folder `{contract.folder}`. {_order(contract)}",
    ]
    if contract.rejects is not None:
        about.append(f"Refused records go to [`{contract.rejects.name}`](#{contract.rejects.name}).")
    table = ["| column | type | unit | null | description |", "|---|---|---|---|---|", *map(_row, contract.columns)]
    return "\n".join([*about, "", *table, ""])


def _order(contract: DatasetContract) -> str:
    keys = ", ".join(f"`{name}`" for name in contract.sort_by)
    if contract.row_number is not None:
        if contract.sort_by == (contract.row_number,):
            return f"Sorted by {keys}, which counts from 0 without gaps."
        return f"Sorted by {keys}, which may repeat; `{contract.row_number}` counts from 0 without gaps."
    return f"Sorted by {keys}, {'each value once' if contract.sort_strict else 'which may repeat'}."


def _row(column: ColumnDoc) -> str:
    kind = f"`{column.dtype}`" if not column.dtype.startswith("dictionary") else "`string`, dictionary"
    cells = (f"`{column.name}`", kind, column.unit, "yes" if column.nullable else "no", column.description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(data_dictionary())
