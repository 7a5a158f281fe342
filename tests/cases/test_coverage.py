"""Every op on the list has a recorded case, and every attribute that it honours has two values."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from servable.graph import schema
from servable.ops.registry import registered
from servable.pb import framework_pb2

RECORDED = Path(__file__).parent / "recorded"

_BACKWARDS = (
    *("AvgPool3DGrad", "AvgPoolGrad", "MaxPool3DGrad", "MaxPoolGrad"),
    *("Conv2DBackpropFilter", "Conv3DBackpropFilterV2"),
    *("DepthwiseConv2dNativeBackpropFilter", "DepthwiseConv2dNativeBackpropInput"),
)

# Attributes of which only one value can be recorded, and why.
ONE_VALUE: Mapping[tuple[str, str], str] = {
    ("DepthToSpace", "data_format"): "NHWC alone runs on the CPU; tests/unit/ops/test_arrays.py",
    ("MaxPoolV2", "data_format"): "NHWC alone runs on the CPU; tests/unit/ops/test_nets.py",
    ("Multinomial", "seed2"): "half of a seed; the other half is recorded with several",
    ("ParameterizedTruncatedNormal", "seed2"): "half of a seed, as above",
    ("RandomUniformInt", "seed2"): "half of a seed, as above",
    ("SampleDistortedBoundingBoxV2", "seed2"): "half of a seed, as above",
    ("SampleDistortedBoundingBoxV2", "max_attempts"): "a bound on tries that no recording reaches",
    ("SampleDistortedBoundingBoxV2", "use_image_if_no_bounding_boxes"): "True alone is recorded",
    ("SpaceToDepth", "data_format"): "NHWC alone runs on the CPU; tests/unit/ops/test_arrays.py",
    **{(op, "data_format"): "tests/unit/ops/test_gradients.py" for op in _BACKWARDS},
    **{(op, "dilations"): "1 alone runs on the CPU" for op in _BACKWARDS if "Conv" in op},
}

# Ops that can not be recorded alone, and what tests them instead.
ELSEWHERE: Mapping[str, str] = {
    "_Gate": "made by a pass; the TF1 conditionals in spec/control.py",
    "_GRU": "made by a pass; the loops in spec/recurrent.py",
    "_LSTM": "made by a pass; the loops in spec/recurrent.py",
    "NonDeterministicInts": "random; tests/unit/ops/test_random.py",
    "_RNN": "made by a pass; the loops in spec/recurrent.py",
    "Placeholder": "fed in every case",
    "NoOp": "waited for in spec/state.py",
    "RestoreV2": "tests/unit/servables: every model with variables",
    "DestroyResourceOp": "does nothing",
    "TensorArrayCloseV3": "does nothing",
}


def _nodes() -> Iterator[framework_pb2.NodeDef]:
    for path in sorted(RECORDED.glob("*.json")):
        for line in path.read_text().splitlines():
            graph = framework_pb2.GraphDef.FromString(base64.b64decode(json.loads(line)["graph"]))
            yield from graph.node
            for function in graph.library.function:
                yield from function.node_def


@pytest.fixture(scope="module")
def seen() -> Mapping[str, Mapping[str, set[bytes]]]:
    """Op -> attribute -> the values that recorded nodes have."""
    found: dict[str, dict[str, set[bytes]]] = {}
    for node in _nodes():
        attrs = found.setdefault(node.op, {})
        known = schema.known(node.op)
        for name in known.attrs if known else ():
            value = (
                node.attr[name].SerializeToString(deterministic=True) if name in node.attr else b""
            )
            attrs.setdefault(name, set()).add(value)
    return found


def test_every_op_has_a_recorded_case(seen: Mapping[str, Mapping[str, set[bytes]]]) -> None:
    assert sorted(registered().keys() - seen.keys() - ELSEWHERE.keys()) == []


def test_every_honoured_attribute_has_cases_with_two_values(
    seen: Mapping[str, Mapping[str, set[bytes]]],
) -> None:
    missing = []
    for name, op in registered().items():
        known = schema.known(name)
        if known is None or name not in seen:
            continue
        for attr in op.attrs:
            kind = known.attrs[attr].kind
            if kind in ("type", "list(type)", "func", "list(func)", "tensor"):
                continue
            counts = {a.number_attr for a in (*known.inputs, *known.outputs)}
            one = len(seen[name].get(attr, ())) < 2
            if one and attr not in counts and (name, attr) not in ONE_VALUE:
                missing.append((name, attr))
    assert sorted(missing) == []
