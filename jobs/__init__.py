"""What runs together and when: jobs, schedules, and the backfill runner behind ``tp backfill``.

Belongs here: planning and launching of runs. Does not belong here: how a partition is made (``assets``, ``trading_platform``).
"""
