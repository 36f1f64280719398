"""Databento: order book history as DBN files, verified and turned into the columns of ``l2``.

Belongs here: everything that knows the vendor and its format. Does not belong here: measures on stored rows (``trading_platform.l2``),
commit and events.
"""
