"""Requests that are computed together: a servable around a servable."""
