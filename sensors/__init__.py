"""What wakes the platform without a person: sensors.

Belongs here: sensor definitions. Does not belong here: schedules by the clock (``jobs``).
"""
