"""What exists: Dagster assets, one module per stage of the flow.

Belongs here: asset definitions, keys, partitions and the translation of day results into events. Does not belong here: formats, maths
and storage (``trading_platform``), what runs when (``jobs``), assembly (``definitions.py``).
"""
