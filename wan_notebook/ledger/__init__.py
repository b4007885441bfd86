"""Every run this machine paid for: the only place that knows SQLite."""
