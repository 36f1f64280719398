"""Options of the commands of ``tp l2`` that ask the vendor.

Belongs here: how a day is asked for and paid. Does not belong here: which symbols and days (``l2_choice.py``).
"""

from __future__ import annotations

from typing import Annotated

import typer

MaxUsdOption = Annotated[
    float | None,
    typer.Option("--max-usd", min=0.0, help="Most that this run may cost, USD; default: TP_DATABENTO_MAX_USD_PER_RUN"),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--max-workers",
        min=1,
        max=32,
        help="Days asked for and downloaded at the same time; default: TP_L2_MAX_WORKERS",
    ),
]


def options_given(max_usd: float | None, max_workers: int | None, *, force: bool) -> list[object]:
    """Return these options as they are typed, for a command with the same ones."""
    return [
        *(("--max-usd", f"{max_usd:g}") if max_usd is not None else ()),
        *(("--max-workers", max_workers) if max_workers is not None else ()),
        *(("--force",) if force else ()),
    ]


ForceOption = Annotated[
    bool, typer.Option("--force", help="Ask and pay again for every day of the range, also for those that are there")
]
