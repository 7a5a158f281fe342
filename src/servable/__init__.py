"""Serve TensorFlow SavedModels in production, without TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Collection

    from servable.servables.python_model import PythonModel

__version__ = "0.1.0"


def load(path: str | os.PathLike[str], tags: Collection[str] | None = None) -> PythonModel:
    """Load a SavedModel to call it from Python.

    Args:
        path: the folder with `saved_model.pb`.
        tags: of the MetaGraph to take, all of them; None for the only one, or the one that
            is tagged `serve` alone.

    Returns:
        The model: `.signatures["serving_default"](x=...)` gives a dict of arrays.

    Raises:
        ServableError: the files are broken, there is no such MetaGraph, or an op is
            not supported.
    """
    # Here, so that importing the package stays free.
    from servable.servables.python_model import PythonModel

    return PythonModel(path, tags)
