"""How the zoo's builders write what they build. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from zoo import Call

from servable.tensors import Array

F32, F64, I32, I64 = tf.float32, tf.float64, tf.int32, tf.int64


def spec(name: str, *shape: int | None, dtype: Any = F32) -> Any:
    """The spec of an input of a function."""
    return tf.TensorSpec(list(shape), dtype, name)


def keras_model(
    folder: Path, inputs: Any, outputs: Any, *batches: Array | Mapping[str, Array]
) -> list[Call]:
    """Export a functional model of these tensors, with weights that are not at rest.

    Args:
        inputs: one `keras.Input` with a name, or a list of them.
        outputs: a tensor, or tensors by name.
        batches: what to call it with; a bare array where there is one input.
    """
    named = inputs if isinstance(inputs, list) else [inputs]
    model = keras.Model(named, outputs)
    shake(model)
    model.export(folder, verbose=False)
    return [
        Call("serving_default", b if isinstance(b, Mapping) else {named[0].name: b})
        for b in batches
    ]


def shake(model: Any) -> None:
    """Give the weights that Keras starts at 0 or 1 values of their own."""
    random = np.random.default_rng(11)
    for weight in model.weights:
        value = np.asarray(weight.numpy())
        if value.dtype.kind != "f" or not np.isin(value, (0, 1)).all():
            continue
        low, high = (0.5, 1.5) if value.all() else (-0.2, 0.2)
        weight.assign(random.uniform(low, high, value.shape).astype(value.dtype))


def functions(folder: Path, module: Any, **signatures: Any) -> None:
    """Save a module with these signatures; each takes its input signature's names."""
    tf.saved_model.save(module, str(folder), signatures=signatures)


def single(
    folder: Path,
    function: Any,
    specs: Sequence[Any],
    *batches: Sequence[Any],
    module: Any = None,
) -> list[Call]:
    """Export one function as the default signature and call it with these batches.

    Args:
        function: takes the inputs in order and returns tensors by name.
        specs: a `tf.TensorSpec` with a name for each input.
        batches: one array for each input.
        module: holds what the function captures.
    """
    owner = module or tf.Module()
    owner.serve = tf.function(function, input_signature=list(specs))
    functions(folder, owner, serving_default=owner.serve)
    names = [spec.name for spec in specs]
    return [
        Call("serving_default", {n: np.asarray(a) for n, a in zip(names, arrays, strict=True)})
        for arrays in batches
    ]
