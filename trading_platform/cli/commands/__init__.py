"""The command families of ``tp``, one module each; this package only lists and registers them."""

from __future__ import annotations

import typer

from . import backfill, config, demo, export, home, imports, instruments, l2, rolls, runs, sierra, simulate, sql, ui


def register(app: typer.Typer) -> None:
    """Add every command to the application, in the order in which a newcomer needs them."""
    for family in (
        demo,
        home,
        config,
        instruments,
        rolls,
        sierra,
        imports,
        backfill,
        l2,
        sql,
        export,
        runs,
        ui,
        simulate,
    ):
        family.register(app)
