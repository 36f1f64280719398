"""Sierra Chart ``.depth`` files: format, reading, the dataset ``depth_events``."""
