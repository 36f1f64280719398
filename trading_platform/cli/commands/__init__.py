"""The command families of ``tp``, one module each; this package only lists and registers them."""

from __future__ import annotations

import typer

from . import (
    backfill,
    config,
    demo,
    depth,
    doctor,
    export,
    forget,
    gex,
    home,
    imports,
    instruments,
    l2,
    regimes,
    rolls,
    runs,
    sierra,
    simulate,
    sql,
    status,
    ui,
)


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
        status,
        sql,
        depth,
        l2,
        gex,
        regimes,
        export,
        forget,
        runs,
        doctor,
        ui,
        simulate,
    ):
        family.register(app)
