"""Gradients of layers, beyond what TensorFlow's CPU kernels can be recorded doing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servable.errors import InvalidArgument
from servable.graph import schema
from servable.graph.ir import FunctionRef, Node
from servable.ops.registry import Body, Environment, Kernel, registered
from servable.ops.resources import Resources
from servable.tensors import FLOAT, Array

RNG = np.random.default_rng(3)
SIZES = np.array([2, 5, 4, 3], np.int32)
VOLUME = np.array([2, 4, 5, 4, 3], np.int32)
WINDOW = np.array([3, 2, 3, 2], np.int32)
WINDOW_3D = np.array([2, 3, 2, 3, 2], np.int32)


def _no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


def kernel(op: str, **attrs: Any) -> Kernel:
    known = schema.known(op)
    assert known is not None
    defaults = {n: a.default for n, a in known.attrs.items() if a.default is not schema.Missing}
    whole: dict[str, Any] = defaults | {"T": FLOAT, "U": FLOAT, "TInput": FLOAT} | attrs
    whole = {name: value for name, value in whole.items() if name in known.attrs}
    node = Node("y", op, (), (), whole, known.output_dtypes(whole))
    return registered()[op].build(node, Environment(Resources(), None, _no_functions))


def floats(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def turned(x: Array) -> Array:
    """Images with their channels first; sizes of images too; other inputs as they are."""
    if x.ndim == 1 and x.dtype == np.int32:
        return np.array([x[0], x[-1], *x[1:-1]], np.int32)
    return np.moveaxis(x, -1, 1)


X, Y, G = floats(2, 5, 4, 3), floats(2, 4, 3, 3), floats(2, 4, 3, 3)
POOL = {"ksize": (1, 2, 2, 1), "strides": (1, 1, 1, 1), "padding": b"VALID"}
POOL_FIRST = POOL | {"ksize": (1, 1, 2, 2), "data_format": b"NCHW"}
POOL_3D = {"ksize": (1, 2, 2, 2, 1), "strides": (1,) * 5, "padding": b"VALID"}
POOL_3D_FIRST = POOL_3D | {"ksize": (1, 1, 2, 2, 2), "data_format": b"NCDHW"}
CONV = {"strides": (1, 1, 1, 1), "padding": b"SAME"}
CONV_3D = {"strides": (1,) * 5, "dilations": (1,) * 5, "padding": b"SAME"}
NORMAL = (floats(3), floats(3), np.abs(floats(3)) + 1, floats(0))


@pytest.mark.parametrize(
    ("op", "inputs", "turns", "last", "first", "turns_back"),
    [
        ("AvgPoolGrad", (SIZES, G), (0, 1), POOL, POOL_FIRST, True),
        ("MaxPoolGrad", (X, Y, G), (0, 1, 2), POOL, POOL_FIRST, True),
        ("AvgPool3DGrad", (VOLUME, floats(2, 3, 4, 3, 3)), (0, 1), POOL_3D, POOL_3D_FIRST, True),
        (
            "MaxPool3DGrad",
            (floats(2, 4, 5, 4, 3), floats(2, 3, 4, 3, 3), floats(2, 3, 4, 3, 3)),
            (0, 1, 2),
            POOL_3D,
            POOL_3D_FIRST,
            True,
        ),
        (
            "Conv2DBackpropFilter",
            (X, WINDOW, floats(2, 5, 4, 2)),
            (0, 2),
            CONV,
            CONV | {"data_format": b"NCHW"},
            False,
        ),
        (
            "Conv3DBackpropFilterV2",
            (floats(2, 4, 5, 4, 3), WINDOW_3D, floats(2, 4, 5, 4, 2)),
            (0, 2),
            CONV_3D,
            CONV_3D | {"data_format": b"NCDHW"},
            False,
        ),
        (
            "DepthwiseConv2dNativeBackpropFilter",
            (X, WINDOW, floats(2, 5, 4, 6)),
            (0, 2),
            CONV,
            CONV | {"data_format": b"NCHW"},
            False,
        ),
        (
            "DepthwiseConv2dNativeBackpropInput",
            (SIZES, floats(3, 2, 3, 2), floats(2, 5, 4, 6)),
            (0, 2),
            CONV,
            CONV | {"data_format": b"NCHW"},
            True,
        ),
    ],
)
def test_channels_first_is_channels_last_turned(
    op: str,
    inputs: tuple[Array, ...],
    turns: tuple[int, ...],
    last: dict[str, Any],
    first: dict[str, Any],
    turns_back: bool,
) -> None:
    expected = kernel(op, **last)(*inputs)
    got = kernel(op, **first)(*(turned(x) if i in turns else x for i, x in enumerate(inputs)))
    np.testing.assert_allclose(got, turned(expected) if turns_back else expected, rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_normalisation_with_channels_first_is_that_with_channels_last_turned(
    training: bool,
) -> None:
    x, gradient = floats(2, 5, 4, 3), floats(2, 5, 4, 3)
    op = "FusedBatchNormGradV3"
    expected = kernel(op, is_training=training)(gradient, x, *NORMAL)
    first = kernel(op, is_training=training, data_format=b"NCHW")
    got = first(turned(gradient), turned(x), *NORMAL)
    np.testing.assert_allclose(got[0], turned(expected[0]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs"),
    [
        ("AvgPoolGrad", (SIZES, floats(2, 5, 3, 3)), POOL),
        ("AvgPoolGrad", (SIZES[:3], G), POOL),
        ("MaxPoolGrad", (X, Y, floats(2, 5, 3, 3)), POOL),
        ("Conv2DBackpropFilter", (X, WINDOW, floats(2, 4, 4, 2)), CONV),
        ("Conv2DBackpropFilter", (X, np.array([3, 2, 2, 2], np.int32), floats(2, 5, 4, 2)), CONV),
        (
            "DepthwiseConv2dNativeBackpropInput",
            (SIZES, floats(3, 2, 2, 2), floats(2, 5, 4, 4)),
            CONV,
        ),
        ("ReluGrad", (X, Y), {}),
    ],
)
def test_gradients_that_do_not_fit_are_refused(
    op: str, inputs: tuple[Array, ...], attrs: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument):
        kernel(op, **attrs)(*inputs)
