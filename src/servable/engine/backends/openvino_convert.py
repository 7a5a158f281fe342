"""An island read through OpenVINO's TensorFlow frontend."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from servable.engine.backends.openvino_requests import writable
from servable.engine.compile import IslandRefused
from servable.graph.exporter import export_graph
from servable.graph.ir import ARG, CONST, Function, Node, Value
from servable.tensors import FLOAT, Array, DType, Shape

if TYPE_CHECKING:
    import openvino as ov

_SHARED_BYTES = 1024
"""Constants from this size on are handed over by address, not through a file."""


def frontend_refusals() -> tuple[type[Exception], ...]:
    """What OpenVINO's frontends raise; their own errors are not RuntimeErrors."""
    from openvino import frontend

    return (
        RuntimeError,
        frontend.GeneralFailure,
        frontend.InitializationFailure,
        frontend.NotImplementedFailure,
        frontend.OpConversionFailure,
        frontend.OpValidationFailure,
    )


class Source:
    """An island, ready to be converted for inputs of certain shapes.

    The frontend lays images out anew for OpenVINO's kernels. Where it does not know the
    rank of what they come from, it may forget to turn the result back, so a model that
    was converted without ranks must not be run.

    Weights stay where they are: the graph that is written holds placeholders for them,
    and constants over the same memory take their place afterwards. The models point into
    that memory without owning it; the source keeps it alive.
    """

    def __init__(self, function: Function) -> None:
        self._ops = {node.op for node in function.nodes.values()}
        self._args: list[tuple[str, DType]] = []
        self._nodes: list[Node] = []
        self._weights: dict[str, Array] = {}
        self._results = [f"result_{i}:0" for i in range(len(function.results))]
        self._add(function)

    def _add(self, function: Function) -> None:
        names = {name: f"node_{i}" for i, name in enumerate(function.nodes)}
        names.update({name: f"arg_{i}" for i, name in enumerate(function.args)})
        self._args = [(names[a], function.nodes[a].dtypes[0]) for a in function.args]
        for node in function.nodes.values():
            name = names[node.name]
            value = node.attrs.get("value")
            if node.op == ARG:
                continue
            if (
                node.op == CONST
                and isinstance(value, np.ndarray)
                and node.dtypes[0] is FLOAT
                and value.nbytes >= _SHARED_BYTES
            ):
                self._weights[name] = writable(np.ascontiguousarray(value))
                self._nodes.append(_placeholder(name, FLOAT, value.shape))
            else:
                inputs = tuple(Value(names[v.node], v.index) for v in node.inputs)
                self._nodes.append(Node(name, node.op, inputs, (), node.attrs, node.dtypes))
        for index, result in enumerate(function.results):
            dtype = function.dtype(result)
            source = (Value(names[result.node], result.index),)
            attrs = {"T": dtype}
            self._nodes.append(Node(f"result_{index}", "Identity", source, (), attrs, (dtype,)))

    def convert(self, shapes: Sequence[Shape]) -> ov.Model:
        """The island as a model.

        Args:
            shapes: what is known of each argument's.

        Raises:
            IslandRefused: the frontend does not take it.
        """
        model = self._read(shapes)
        from openvino import opset13

        for parameter in model.get_parameters():
            weight = self._weights.get(parameter.get_friendly_name().partition(":")[0])
            if weight is not None:
                constant = opset13.constant(weight, shared_memory=True)
                parameter.output(0).replace(constant.output(0))
                model.remove_parameter(parameter)
        try:
            model.validate_nodes_and_infer_types()
        except RuntimeError as error:
            raise self._refusal(error) from error
        if len(model.outputs) != len(self._results):
            raise IslandRefused("results that are one and the same came back as one")
        if None not in shapes and _turns_unknown_ranks(model):
            raise IslandRefused("images of a rank that is not known")
        return model

    def _read(self, shapes: Sequence[Shape]) -> ov.Model:
        from openvino import frontend as ov_frontend

        args = [
            _placeholder(name, dtype, shape)
            for (name, dtype), shape in zip(self._args, shapes, strict=True)
        ]
        frontend = ov_frontend.FrontEndManager().load_by_framework("tf")
        with tempfile.TemporaryDirectory(prefix="servable-") as folder:
            path = Path(folder) / "island.pb"
            path.write_bytes(export_graph([*args, *self._nodes]).SerializeToString())
            try:
                loaded = frontend.load(str(path))
                loaded.override_all_outputs(
                    [loaded.get_place_by_tensor_name(name) for name in self._results]
                )
                return frontend.convert(loaded)
            except frontend_refusals() as error:
                raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> IslandRefused:
        """Why it was refused, with those of the island's ops that the text names."""
        text = str(error)
        return IslandRefused(text, set(re.findall(r"\w+", text)) & self._ops)


_OF_IMAGES = re.compile("Convolution|Pool|Interpolate|LRN|BatchNorm|DepthToSpace|SpaceToDepth")


def _turns_unknown_ranks(model: ov.Model) -> bool:
    """Whether there are ops that the frontend turns images for, and tensors of unknown rank."""
    nodes = model.get_ops()
    return any(_OF_IMAGES.search(node.get_type_name()) for node in nodes) and any(
        node.get_output_partial_shape(i).rank.is_dynamic
        for node in nodes
        for i in range(node.get_output_size())
    )


def arguments(model: ov.Model) -> list[Any]:
    """A converted model's parameters in the order of the island's arguments."""
    found = {_number(p): p for p in model.get_parameters()}
    return [found[i] for i in sorted(found)]


def _number(parameter: Any) -> int:
    return int(parameter.get_friendly_name().rsplit("_", 1)[1].partition(":")[0])


def _placeholder(name: str, dtype: DType, shape: Shape) -> Node:
    return Node(name, "Placeholder", (), (), {"dtype": dtype, "shape": shape}, (dtype,))
