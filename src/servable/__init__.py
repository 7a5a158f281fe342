"""Serve TensorFlow SavedModels in production, without TensorFlow."""

__version__ = "0.1.0"
