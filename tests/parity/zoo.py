"""The zoo: whole models that TensorFlow exports and answers for.

A `zoo_*.py` file beside this one holds functions decorated with `@model()`. Each writes
a SavedModel into the folder that it is given and returns the calls to make of it, in
order. TensorFlow's answers come from a session, which is how TensorFlow Serving runs a
model; they are kept beside the export, so that each model is built once.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import pickle
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from servable.tensors import Array

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Call:
    """One request: a signature of the MetaGraph with these tags, and its inputs."""

    signature: str
    inputs: Mapping[str, Array]
    tags: tuple[str, ...] = ("serve",)


@dataclass(frozen=True)
class Answer:
    """What TensorFlow answers to a call: outputs by alias, or the code of its error."""

    outputs: Mapping[str, Array]
    error: int = 0
    message: str = ""


Build = Callable[[Path], Sequence[Call]]


@dataclass(frozen=True)
class Model:
    """An entry of the zoo.

    Attributes:
        name: its builder's name, with the arguments.
        tolerance: largest difference allowed in float32 outputs, relative to the largest
            magnitude of the output.
        heavy: whether it is too large for the ways of running it that are not the usual one.
        build: exports into a folder and returns the calls.
        source: the file of the builder; a change there builds the model again.
    """

    name: str
    tolerance: float
    heavy: bool
    build: Build
    source: Path


@dataclass(frozen=True)
class Recorded:
    """A built model: its folder, and what TensorFlow answered to each call."""

    path: Path
    calls: Sequence[tuple[Call, Answer]]


_models: dict[str, Model] = {}


def model(
    *, tolerance: float = 1e-4, heavy: bool = False, **arguments: Any
) -> Callable[[Callable[..., Sequence[Call]]], Callable[..., Sequence[Call]]]:
    """Register a builder; stack it to register the same one with several arguments.

    Args:
        tolerance, heavy: see `Model`.
        arguments: what the builder is called with, after the folder.

    Raises:
        ValueError: two builders have one name.
    """

    def register(build: Callable[..., Sequence[Call]]) -> Callable[..., Sequence[Call]]:
        name = "-".join([build.__name__, *(str(value) for value in arguments.values())])
        if name in _models:
            raise ValueError(f"two models are called {name}")
        source = Path(build.__code__.co_filename)
        call = functools.partial(build, **arguments)
        _models[name] = Model(name, tolerance, heavy, call, source)
        return build

    return register


def models() -> Sequence[Model]:
    """Every model of the zoo, in the order of the files. Imports TensorFlow."""
    for path in sorted(HERE.glob("zoo_*.py")):
        importlib.import_module(path.stem)
    return list(_models.values())


def recorded(entry: Model, cache: Path) -> Recorded:
    """Build a model and ask TensorFlow, unless the cache holds both already."""
    import tensorflow as tf

    made_by = hashlib.sha256(tf.__version__.encode())
    for path in (entry.source, HERE / "zoo.py", HERE / "exporting.py"):
        made_by.update(path.read_bytes())
    folder = cache / f"{entry.name}-{made_by.hexdigest()[:12]}"
    answers = folder / "answers.pickle"
    if not answers.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=cache, prefix="building-"))
        try:
            # What TensorFlow and Keras warn of while they export is not about servable.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                calls = _built(entry, made / "model")
                said = _asked(made / "model", calls)
            (made / answers.name).write_bytes(pickle.dumps(list(zip(calls, said, strict=True))))
            made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    # The file was written above, by this suite.
    return Recorded(folder / "model", pickle.loads(answers.read_bytes()))


def _built(entry: Model, folder: Path) -> Sequence[Call]:
    import keras
    import tensorflow as tf

    keras.backend.clear_session()
    random.seed(7)
    np.random.seed(7)  # the one that Keras draws from
    tf.random.set_seed(7)
    calls = entry.build(folder)
    keras.backend.clear_session()
    return calls


def _asked(folder: Path, calls: Sequence[Call]) -> list[Answer]:
    """TensorFlow's answers: one session for each MetaGraph, kept for all its calls."""
    import tensorflow as tf

    v1 = tf.compat.v1
    sessions: dict[tuple[str, ...], tuple[Any, Any]] = {}
    answers = []
    with ExitStack() as stack:
        for call in calls:
            if call.tags not in sessions:
                session = stack.enter_context(v1.Session(graph=tf.Graph()))
                with session.graph.as_default():
                    meta_graph = v1.saved_model.load(session, list(call.tags), str(folder))
                sessions[call.tags] = (session, meta_graph)
            answers.append(_answer(*sessions[call.tags], call))
    return answers


def _answer(session: Any, meta_graph: Any, call: Call) -> Answer:
    import tensorflow as tf

    signature = meta_graph.signature_def[call.signature]
    fetches = {alias: info.name for alias, info in signature.outputs.items()}
    feeds = {signature.inputs[alias].name: array for alias, array in call.inputs.items()}
    try:
        outputs = session.run(fetches, feeds)
    except tf.errors.OpError as error:
        return Answer({}, int(error.error_code), error.message)
    return Answer({alias: _array(value) for alias, value in outputs.items()})


def _array(value: Any) -> Array:
    if isinstance(value, bytes):  # what a session returns for a scalar string
        return np.array(value, object)  # a dtype of bytes would lose zeros at the end
    return np.asarray(value)


def strings(values: Any) -> Array:
    """A string tensor of any rank from nested lists of str or bytes."""
    nested = np.asarray(values)
    if nested.dtype == object:
        nested = np.array(values, object)
    flat = [v if isinstance(v, bytes) else str(v).encode() for v in nested.ravel().tolist()]
    return np.array([*flat, None], object)[:-1].reshape(nested.shape)


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Array:
    """Normally distributed values, the same in every run."""
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(dtype)


def integers(high: int, *shape: int, seed: int = 0, dtype: Any = np.int32) -> Array:
    """Integers from 0 to below `high`, the same in every run."""
    return np.random.default_rng((seed, *shape)).integers(high, size=shape).astype(dtype)
