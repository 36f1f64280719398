"""Order books rebuilt from depth events: replay, measures per second, the dataset ``depth_metrics``."""
