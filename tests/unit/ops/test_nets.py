"""Layers of neural nets, beyond what TensorFlow's CPU kernels can be recorded doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from servable.engine.backends.openvino import OpenVinoBackend
from servable.errors import InvalidArgument, ResourceExhausted, ServableError, Unimplemented
from servable.graph import schema
from servable.graph.ir import ARG, FunctionRef, Node, UnsupportedOps, Value, const
from servable.ops import windows
from servable.ops.registry import Body, Environment, Kernel, registered
from servable.ops.resources import Resources
from servable.tensors import FLOAT, INT32, Array, from_numpy

RNG = np.random.default_rng(0)


def no_functions(ref: FunctionRef) -> Body:
    raise AssertionError(f"nothing calls {ref}")


def node(op: str, inputs: Sequence[Value] = (), **attrs: Any) -> Node:
    known = schema.known(op)
    assert known is not None
    defaults = {
        name: attr.default
        for name, attr in known.attrs.items()
        if attr.default is not schema.Missing
    }
    whole: Mapping[str, Any] = defaults | {"T": FLOAT} | attrs
    return Node("y", op, tuple(inputs), (), whole, known.output_dtypes(whole))


def kernel(op: str, **attrs: Any) -> Kernel:
    environment = Environment(Resources(), None, no_functions)
    return registered()[op].build(node(op, **attrs), environment)


def floats(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


FIRST = {"strides": (1, 1, 2, 1), "padding": b"SAME", "data_format": b"NCHW"}
LAST = {"strides": (1, 2, 1, 1), "padding": b"SAME", "data_format": b"NHWC"}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("op", "first", "last"),
    [
        ("Conv2D", {}, {}),
        ("DepthwiseConv2dNative", {}, {}),
        ("MaxPool", {"ksize": (1, 1, 3, 2)}, {"ksize": (1, 3, 2, 1)}),
        ("AvgPool", {"ksize": (1, 1, 3, 2)}, {"ksize": (1, 3, 2, 1)}),
    ],
)
def test_channels_first_is_channels_last_turned_round(
    op: str, first: Mapping[str, Any], last: Mapping[str, Any], dtype: str
) -> None:
    x = RNG.integers(-9, 9, (2, 5, 4, 3)).astype(dtype)
    filters = [RNG.integers(-9, 9, (3, 2, 3, 2)).astype(dtype)] if "Conv" in op else []
    attrs = {"T": from_numpy(x.dtype)}
    expected = kernel(op, **LAST, **last, **attrs)(x, *filters)
    made = kernel(op, **FIRST, **first, **attrs)(x.transpose(0, 3, 1, 2), *filters)
    assert made.dtype == expected.dtype == x.dtype
    np.testing.assert_array_equal(made, expected.transpose(0, 3, 1, 2))


def test_a_pool_with_the_window_as_input_takes_channels_first() -> None:
    x = floats(2, 3, 5, 4)
    pool = kernel("MaxPoolV2", padding=b"SAME", data_format=b"NCHW")
    same = kernel("MaxPool", ksize=(1, 1, 3, 2), **FIRST)
    sizes = np.array([1, 1, 3, 2], np.int32), np.array(FIRST["strides"], np.int32)
    np.testing.assert_array_equal(pool(x, *sizes), same(x))


@pytest.mark.parametrize("shape", [(3, 2, 3, 4), (3, 2, 1, 3), (2, 2, 1, 6)])
def test_a_convolution_in_small_blocks_is_the_same(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, filters = floats(3, 7, 6, 3), floats(*shape)
    conv = kernel("Conv2D", **LAST)
    expected = conv(x, filters)
    for size in (1, 300, 3000):
        monkeypatch.setattr(windows, "BLOCK_BYTES", size)
        np.testing.assert_allclose(conv(x, filters), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("Conv2D", {"strides": (1, 1, 1)}),
        ("Conv2D", {"strides": ()}),
        ("Conv2D", {"strides": (2, 1, 1, 1)}),
        ("Conv2D", {"strides": (1, 1, 1, 2)}),
        ("Conv2D", {"strides": (1, 0, 1, 1)}),
        ("Conv2D", {"strides": (1, -1, 1, 1)}),
        ("Conv2D", {"dilations": (1, 1, 1, 2)}),
        ("Conv2D", {"dilations": (1, 0, 1, 1)}),
        ("Conv2D", {"padding": b"FULL"}),
        ("Conv2D", {"data_format": b"NHCW"}),
        ("Conv2D", {"padding": b"EXPLICIT"}),
        ("Conv2D", {"padding": b"EXPLICIT", "explicit_paddings": (0, 0, 1)}),
        ("Conv2D", {"padding": b"EXPLICIT", "explicit_paddings": (0, 0, 1, -1, 0, 0, 0, 0)}),
        ("Conv2D", {"padding": b"EXPLICIT", "explicit_paddings": (0, 1, 1, 1, 0, 0, 0, 0)}),
        ("Conv", {"strides": (1,)}),
    ],
)
def test_attributes_that_make_no_sense_are_refused_at_load(
    op: str, attrs: Mapping[str, Any]
) -> None:
    whole: dict[str, Any] = {"strides": (1, 1, 1, 1), "padding": b"SAME", **attrs}
    with pytest.raises(UnsupportedOps, match="node y"):
        kernel(op, **whole)


@pytest.mark.parametrize(
    ("op", "attrs", "error"),
    [
        ("MaxPool", {"ksize": (1, 2, 2)}, InvalidArgument),
        ("MaxPool", {"ksize": (1, 0, 2, 1)}, InvalidArgument),
        ("MaxPool", {"ksize": (2, 1, 1, 1)}, Unimplemented),
        ("MaxPool", {"ksize": (1, 2, 2, 2)}, Unimplemented),
        ("MaxPool", {"ksize": (1, 1, 1, 2)}, Unimplemented),
        ("MaxPool", {"strides": (1, 1)}, InvalidArgument),
        ("AvgPool", {"ksize": (1, 1, 1, 2), "strides": (1, 1, 1, 2)}, Unimplemented),
    ],
)
def test_windows_that_make_no_sense_are_refused_at_load(
    op: str, attrs: Mapping[str, Any], error: type[ServableError]
) -> None:
    whole: dict[str, Any] = {
        "ksize": (1, 2, 2, 1),
        "strides": (1, 1, 1, 1),
        "padding": b"SAME",
        **attrs,
    }
    with pytest.raises(error):
        kernel(op, **whole)


def test_an_image_too_large_for_memory_is_refused() -> None:
    back = kernel("Conv2DBackpropInput", strides=(1, 1 << 30, 1 << 30, 1), padding=b"SAME")
    sizes = np.array([1, 1 << 30, 1 << 30, 1], np.int32)
    with pytest.raises(ResourceExhausted):
        back(sizes, floats(2, 2, 1, 1), floats(1, 1, 1, 1))


def test_kernels_leave_their_inputs_alone() -> None:
    x = floats(1, 4, 4, 2)
    x.flags.writeable = False
    vectors = [np.abs(floats(2)) for _ in range(4)]
    for op, attrs, others in (
        ("Relu6", {}, []),
        ("Softmax", {}, []),
        ("LogSoftmax", {}, []),
        ("FusedBatchNormV3", {"U": FLOAT, "is_training": False}, vectors),
        ("LRN", {}, []),
        ("MaxPool", {"ksize": (1, 1, 1, 1), **LAST}, []),
        ("AvgPool", {"ksize": (1, 1, 1, 1), **LAST}, []),
        ("Conv2D", LAST, [floats(1, 1, 2, 2)]),
    ):
        kernel(op, **attrs)(x, *others)


IMAGE = Node("x", ARG, attrs={"T": FLOAT, "index": 0}, dtypes=(FLOAT,))
SIZES = Node("n", ARG, attrs={"T": INT32, "index": 1}, dtypes=(INT32,))
MADE = Node("r", "Relu", (Value("x"),), (), {"T": FLOAT}, (FLOAT,))
FILTERS = const("f", floats(3, 2, 3, 2), FLOAT)
NO_FILTERS = const("f", floats(3, 2, 3, 0), FLOAT)
FITTING = const("s", np.array([2, 6, 5, 3], np.int32), INT32)
GROUPED = const("s", np.array([2, 6, 5, 6], np.int32), INT32)
SHORT = const("s", np.array([6, 5], np.int32), INT32)
PACKED = Node("s", "Pack", (Value("n"), Value("n"), Value("n"), Value("c")), (), {}, (INT32,))


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "taken"),
    [
        ("Conv2D", (IMAGE, FILTERS), LAST, True),
        ("Conv2D", (IMAGE, MADE), LAST, False),
        ("Conv2D", (IMAGE, NO_FILTERS), LAST, False),
        ("DepthwiseConv2dNative", (IMAGE, FILTERS), LAST, True),
        ("DepthwiseConv2dNative", (IMAGE, FILTERS), {**LAST, "padding": b"EXPLICIT"}, False),
        ("Conv2DBackpropInput", (FITTING, FILTERS, IMAGE), LAST, True),
        ("Conv2DBackpropInput", (GROUPED, FILTERS, IMAGE), LAST, False),
        ("Conv2DBackpropInput", (SHORT, FILTERS, IMAGE), LAST, False),
        ("Conv2DBackpropInput", (SIZES, FILTERS, IMAGE), LAST, False),
        ("Conv2DBackpropInput", (PACKED, FILTERS, IMAGE), LAST, True),
        ("BiasAdd", (IMAGE, FILTERS), {}, False),
        ("BiasAdd", (MADE, FILTERS), {}, True),
        ("MaxPool", (IMAGE,), {"ksize": (1, 2, 2, 1), **LAST}, True),
        ("MaxPool", (IMAGE,), {"ksize": (1, 1, 1, 2), **LAST}, False),
        ("FusedBatchNormV3", (IMAGE,), {"U": FLOAT, "is_training": False}, True),
        ("FusedBatchNormV3", (IMAGE,), {"U": FLOAT, "is_training": True}, False),
        ("LRN", (IMAGE,), {}, False),
    ],
)
def test_islands_hold_only_what_openvino_computes_equally(
    op: str, inputs: Sequence[Node], attrs: Mapping[str, Any], taken: bool
) -> None:
    three = const("c", np.array(3, np.int32), INT32)
    nodes = {n.name: n for n in (IMAGE, SIZES, MADE, three, *inputs)}
    made = node(op, [Value(n.name) for n in inputs], **attrs)
    assert OpenVinoBackend().eligible(made, {**nodes, "y": made}) is taken
