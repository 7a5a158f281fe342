"""Requests on disk: warmup files that are replayed, and logs that are written."""
