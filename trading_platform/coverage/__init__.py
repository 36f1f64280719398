"""Coverage: what is there and what is not, per dataset, symbol and trade date.

Belongs here: judging days (``judge.py``), the facts they are judged by (``listing.py``, ``files.py``, ``history.py``, ``calendar.py``), the
board of many days (``board.py``, made by ``assemble.py``) and how it is shown (``text.py``, ``html.py``, ``picture.py``). Does not belong
here: making partitions, Dagster, and large libraries: a look at the board must not wait for imports.
"""
