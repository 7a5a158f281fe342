"""Base paths that are somewhere else: storage behind a URL, and a cache on this machine."""
