"""Which engine loads what a version folder holds."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal, TypeAlias

from servable.contracts import Loader, Servable
from servable.errors import FailedPrecondition
from servable.graph.ir import UnsupportedOps
from servable.graph.passes import Traced
from servable.servables.extras import MissingExtra, install, installed
from servable.servables.formats import TFLITE_NAME, Format, format_of
from servable.servables.onnx_model import OnnxLoader
from servable.servables.saved_model import SavedModelLoader
from servable.servables.settings import DEFAULTS, EngineSettings
from servable.servables.tensorflow_model import TensorFlowLoader
from servable.servables.tflite_model import TfLiteLoader

log = logging.getLogger(__name__)

Engine: TypeAlias = Literal["auto", "native", "tensorflow"]
"""What computes SavedModels: `native` is this package's own engine, `auto` is that and,
for models with an op outside its list, TensorFlow if it is installed."""


def loader_for(
    path: str | os.PathLike[str],
    *,
    engine: Engine = "auto",
    tags: Collection[str] = ("serve",),
    prefer_tflite: bool = False,
    settings: EngineSettings = DEFAULTS,
    traces: dict[str, list[Traced]] | None = None,
) -> Loader:
    """Return the loader for what a version folder holds; nothing is loaded yet.

    Args:
        path: the version folder. One without any model is taken for a SavedModel, whose
            loader then says what is missing.
        engine: for SavedModels; for every other format there is one engine.
        tags: the MetaGraph of a SavedModel to take, by its exact set of tags.
        prefer_tflite: take a `model.tflite` rather than a SavedModel beside it.
        settings: of the native engine, and of OpenVINO for other formats.
        traces: receives what each pass over a SavedModel's graph did, by signature name.
    """
    kind = format_of(Path(path))
    if kind is Format.ONNX:
        return OnnxLoader(path, settings=settings)
    if kind is Format.TFLITE or (prefer_tflite and (Path(path) / TFLITE_NAME).is_file()):
        return TfLiteLoader(path, settings=settings)
    if engine == "tensorflow":
        return TensorFlowLoader(path, tags=tags)
    native = SavedModelLoader(path, tags=tags, settings=settings, traces=traces)
    if engine == "native":
        return native
    return FallbackLoader(native, lambda: TensorFlowLoader(path, tags=tags), Path(path))


def check_installed(engine: Engine) -> None:
    """Refuse an engine that is not installed, before anything is loaded.

    Raises:
        MissingExtra: it is not.
    """
    if engine == "tensorflow" and not installed("tensorflow"):
        raise MissingExtra("TensorFlow", "tensorflow")


class FallbackLoader:
    """Loads with one engine, and with another where the first lacks an op.

    Args:
        first: raises UnsupportedOps for what it lacks.
        make_second: makes the loader to try then; its `load` raises MissingExtra if
            its library is not installed.
        path: the version folder, for the log.
    """

    def __init__(self, first: Loader, make_second: Callable[[], Loader], path: Path) -> None:
        self._first = first
        self._make_second = make_second
        self._path = path
        self._loaded: Loader | None = None

    def estimate_resources(self) -> int:
        """What the first engine estimates."""
        return self._first.estimate_resources()

    def load(self) -> None:
        """Load with the first engine that has every op.

        Raises:
            UnsupportedOps: the first lacks an op and the second is not installed; the
                hint says how to install it.
            ServableError: the model can not be loaded.
        """
        try:
            self._first.load()
            self._loaded = self._first
        except UnsupportedOps as refusal:
            self._loaded = self._load_second(refusal)

    def _load_second(self, refusal: UnsupportedOps) -> Loader:
        second = self._make_second()
        try:
            second.load()
        except MissingExtra:
            raise UnsupportedOps(
                refusal.message,
                hint="Nothing here computes that without TensorFlow. With it installed the "
                f"model is served by TensorFlow itself: {install('tensorflow')}",
            ) from refusal
        # Said afterwards, so that it is true.
        log.warning(
            "%s: %s; TensorFlow serves this model, any op in it included "
            "(--engine native refuses it instead)",
            self._path,
            refusal.message,
        )
        return second

    def unload(self) -> None:
        """Free what was loaded."""
        if self._loaded is not None:
            self._loaded.unload()
        self._loaded = None

    def servable(self) -> Servable:
        """The loaded model.

        Raises:
            FailedPrecondition: `load` has not succeeded.
        """
        if self._loaded is None:
            raise FailedPrecondition(f"{self._path} is not loaded")
        return self._loaded.servable()
