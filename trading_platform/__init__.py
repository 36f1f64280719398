"""The domain library: formats, storage, maths, simulation and the command line.

Belongs here: everything that can be used from plain Python without an orchestrator. Does not belong here: anything that imports
Dagster (see ``assets/``, ``resources/``, ``jobs/``, ``sensors/``), except ``trading_platform.cli``, which runs the assets.
"""
