"""Islands compiled by OpenVINO for the CPU.

Rules that were found by measuring OpenVINO 2026.4:

- It computes int64 in int32 and float64 in float32, so neither is computed in an island;
  int64 may pass through ops for which it is an index, a size or an axis. Some ops take
  int32 through float32, so each op says whether it was seen to compute it exactly.
- It loses NaN (exp(nan) is inf, max(nan, 1) is 1), so inputs that are not finite are
  computed on the host.
- It may choose bfloat16 by itself, so the precision is always named.
- It refuses inputs of unknown rank, so an island is compiled again for each rank it meets.
"""

from __future__ import annotations

import ctypes
import logging
import re
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from servable.engine.backends.openvino_requests import Requests
from servable.engine.backends.openvino_shapes import all_hold_something, images_fit, indices_fit
from servable.engine.compile import Island as IslandToCompile
from servable.engine.compile import IslandRefused
from servable.graph.exporter import export_graph
from servable.graph.ir import ARG, CONST, Function, Node, Value
from servable.ops.registry import Island, Kernel, registered
from servable.tensors import BOOL, FLOAT, INT32, INT64, Array, DType, Shape

if TYPE_CHECKING:
    import openvino as ov

log = logging.getLogger(__name__)

# `import openvino` reports itself to a statistics server, from a forked copy of this
# process. A module that can not be imported makes it fall back to reporting nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None bars it

_COMPUTED = frozenset({FLOAT, BOOL})

WORTH_WEIGHTS = 32_768
"""Weights from which matrix products are worth an island. Measured: one call of an
island costs about as much as a dozen numpy calls; below this numpy is done sooner."""

Shapes: TypeAlias = tuple[tuple[int, ...], ...]

MOST_SHAPES = 4096
"""Bound on the combinations of input shapes whose check is remembered."""

MOST_RANKS = 8
"""Bound on how often one island is compiled for ranks other than the signature's."""

_SHARED_BYTES = 1024
"""Constants from this size on are handed over by address, not through a file."""


class OpenVinoBackend:
    """Compiles islands; thread-safe. One for each process is enough."""

    name = "openvino"

    def __init__(self, *, precision: str = "f32") -> None:
        """Compute islands in the given precision: f32, bf16 or f16."""
        self._config = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        self._lock = threading.Lock()
        self._core: ov.Core | None = None

    def eligible(self, node: Node, nodes: Mapping[str, Node]) -> bool:
        """Whether OpenVINO computes the node, one of these, as TensorFlow does."""
        op = registered().get(node.op)
        if op is None or op.island is Island.NEVER:
            return False
        allowed = _COMPUTED | ({INT32} if op.int32 else set()) | ({INT64} if op.int64 else set())
        dtypes = [v for v in node.attrs.values() if isinstance(v, DType)]
        if any(d not in allowed for d in (*node.dtypes, *dtypes) if d not in _index_types(node)):
            return False
        if op.island_if is not None and not op.island_if(node):
            return False
        return op.island_among is None or op.island_among(node, nodes)

    def worth(self, nodes: Collection[Node], constants: Mapping[str, Node]) -> bool:
        """Whether the nodes hold a convolution, or matrix products of some size."""
        weights = 0
        for node in nodes:
            if registered()[node.op].island is not Island.HEAVY:
                continue
            sizes = [_size(constants[v.node]) for v in node.inputs]
            if "Conv" in node.op or not any(sizes):
                return True
            weights += sum(sizes)
        return weights >= WORTH_WEIGHTS

    def compile(self, island: IslandToCompile) -> Kernel:
        """Compile an island for the shapes that are known; see `Backend.compile`."""
        return _IslandKernel(self, island)

    def core(self) -> ov.Core:
        """The process's OpenVINO core, made when it is first needed."""
        with self._lock:
            if self._core is None:
                import openvino as ov

                self._core = ov.Core()
            return self._core

    def compile_model(self, model: ov.Model) -> ov.CompiledModel:
        """Compile a model.

        Raises:
            IslandRefused: the plugin does not take it.
        """
        try:
            return self.core().compile_model(model, "CPU", self._config)
        except RuntimeError as error:
            raise IslandRefused(str(error)) from error


def _index_types(node: Node) -> set[DType]:
    """Dtype attributes that speak of indices, sizes or axes, which may be int64."""
    found = set()
    for name in ("Tidx", "Tshape", "Tperm", "Tdim", "Taxis", "Tindices", "Index", "Tpaddings"):
        value = node.attrs.get(name)
        if isinstance(value, DType):
            found.add(value)
    return found - set(node.dtypes)


def _size(node: Node) -> int:
    value = node.attrs.get("value")
    return value.size if node.op == CONST and isinstance(value, np.ndarray) else 0


class _IslandKernel:
    """An island compiled for the shapes it meets. Called from many threads at once."""

    def __init__(self, backend: OpenVinoBackend, island: IslandToCompile) -> None:
        self._backend = backend
        self._fallback = island.fallback
        self._lock = threading.Lock()
        # Kept for other ranks: the converted model, not the graph. The model points into
        # the weights' memory without owning it.
        self._model, self._weights = _convert(island.function)
        self._probe = _clone(self._model)
        self._by_shape: dict[Shapes, _Compiled | None] = {}
        self._by_rank: dict[tuple[int, ...], _Compiled | None] = {}
        self._main: _Compiled | None = None
        if all(shape is not None for shape in island.shapes):
            self._main = self._specialise(tuple(_partial(shape) for shape in island.shapes))

    def __call__(self, *arrays: Array) -> Sequence[Array]:
        compiled = self._for_shapes(tuple(a.shape for a in arrays))
        if compiled is None or not all(map(_finite, arrays)):
            return self._fallback(*arrays)  # type: ignore[no-any-return]  # a list of arrays
        try:
            return compiled.run(arrays)
        except RuntimeError as error:
            # The host gives TensorFlow's own text for what the values break, or an answer.
            log.debug("island failed on %s: %s", [a.shape for a in arrays], error)
            return self._fallback(*arrays)  # type: ignore[no-any-return]  # a list of arrays

    def _for_shapes(self, shapes: Shapes) -> _Compiled | None:
        """What computes inputs of these shapes; None if the island refuses them.

        Compiled with unknown sizes, some of OpenVINO's kernels trust the sizes they
        get: a matrix product of [4,7] and [256,200] reads past the end. So every new
        combination of shapes goes through the model's own shape inference once.
        """
        try:
            return self._by_shape[shapes]
        except KeyError:
            pass
        with self._lock:
            if len(self._by_shape) >= MOST_SHAPES:
                self._by_shape.clear()
            compiled = None
            if self._consistent(shapes):
                compiled = self._main
                if compiled is None or not compiled.takes(shapes):
                    compiled = self._for_ranks(tuple(map(len, shapes)))
            self._by_shape[shapes] = compiled
            return compiled

    def _consistent(self, shapes: Shapes) -> bool:
        try:
            _reshape(self._probe, shapes)
        except IslandRefused as refusal:
            log.debug("island refused for shapes %s: %s", shapes, refusal)
            return False
        return all(fits(self._probe) for fits in (images_fit, indices_fit, all_hold_something))

    def _for_ranks(self, ranks: tuple[int, ...]) -> _Compiled | None:
        if ranks not in self._by_rank:
            if len(self._by_rank) >= MOST_RANKS:
                return None
            try:
                self._by_rank[ranks] = self._specialise(tuple((-1,) * r for r in ranks))
            except IslandRefused as refusal:
                log.debug("island refused for ranks %s: %s", ranks, refusal)
                self._by_rank[ranks] = None
        return self._by_rank[ranks]

    def _specialise(self, shapes: Shapes) -> _Compiled:
        model = _clone(self._model)
        _reshape(model, shapes)
        return _Compiled(self._backend.compile_model(model), shapes)


def _clone(model: ov.Model) -> ov.Model:
    """A copy.

    Raises:
        IslandRefused: the model does not hold together.
    """
    try:
        return model.clone()
    except RuntimeError as error:
        raise IslandRefused(str(error)) from error


def _reshape(model: ov.Model, shapes: Shapes) -> None:
    """Give a model's inputs these shapes, -1 for unknown sizes, and check all that follows.

    Raises:
        IslandRefused: they do not fit the model.
    """
    import openvino as ov

    try:
        model.reshape(
            {
                parameter.output(0): ov.PartialShape(list(shape))
                for parameter, shape in zip(_args(model), shapes, strict=True)
            }
        )
    except RuntimeError as error:
        raise IslandRefused(str(error)) from error


class _Compiled:
    """An island compiled for some shapes."""

    def __init__(self, model: ov.CompiledModel, shapes: Shapes) -> None:
        self._shapes = shapes
        self.run = Requests(model).run

    def takes(self, shapes: Shapes) -> bool:
        """Whether inputs of these shapes fit what it was compiled for."""
        return all(
            len(given) == len(wanted)
            and all(w in (-1, g) for g, w in zip(given, wanted, strict=True))
            for given, wanted in zip(shapes, self._shapes, strict=True)
        )


def _finite(array: Array) -> bool:
    if array.dtype.kind != "f":
        return True
    flat = array.ravel()
    # One product tells in a third of the time; it may overflow where no element is infinite.
    return bool(np.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all())


def _partial(shape: Shape) -> tuple[int, ...]:
    return tuple(-1 if size is None else size for size in shape or ())


def _args(model: ov.Model) -> list[Any]:
    """The model's parameters in the order of the island's arguments."""
    found = {_number(p): p for p in model.get_parameters()}
    return [found[i] for i in sorted(found)]


def _number(parameter: Any) -> int:
    return int(parameter.get_friendly_name().rsplit("_", 1)[1].partition(":")[0])


def _convert(function: Function) -> tuple[ov.Model, dict[str, Array]]:
    """Read an island through OpenVINO's TensorFlow frontend.

    Weights stay where they are: the graph that is written holds placeholders for
    them, and constants over the same memory take their place afterwards.

    Raises:
        IslandRefused: the frontend does not take it.
    """
    from openvino import frontend as ov_frontend
    from openvino import opset13

    # The frontend's own errors are not RuntimeErrors.
    refusals = (
        RuntimeError,
        ov_frontend.GeneralFailure,
        ov_frontend.InitializationFailure,
        ov_frontend.NotImplementedFailure,
        ov_frontend.OpConversionFailure,
        ov_frontend.OpValidationFailure,
    )
    graph, weights = _exported(function)
    frontend = ov_frontend.FrontEndManager().load_by_framework("tf")
    with tempfile.TemporaryDirectory(prefix="servable-") as folder:
        path = Path(folder) / "island.pb"
        path.write_bytes(graph.SerializeToString())
        try:
            loaded = frontend.load(str(path))
            loaded.override_all_outputs(
                [
                    loaded.get_place_by_tensor_name(f"result_{i}:0")
                    for i in range(len(function.results))
                ]
            )
            model = frontend.convert(loaded)
        except refusals as error:
            raise IslandRefused(str(error), _ops_named(str(error), function)) from error
    for parameter in model.get_parameters():
        weight = weights.get(parameter.get_friendly_name().partition(":")[0])
        if weight is not None:
            constant = opset13.constant(weight, shared_memory=True)
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)
    try:
        model.validate_nodes_and_infer_types()
    except RuntimeError as error:
        raise IslandRefused(str(error), _ops_named(str(error), function)) from error
    if len(model.outputs) != len(function.results):
        raise IslandRefused("results that are one and the same came back as one")
    return model, weights


def _exported(function: Function) -> tuple[Any, dict[str, Array]]:
    """The island as a GraphDef with plain names, and the weights that it leaves out."""
    names = {name: f"node_{i}" for i, name in enumerate(function.nodes)}
    names.update({name: f"arg_{i}" for i, name in enumerate(function.args)})
    nodes = []
    weights: dict[str, Array] = {}
    for node in function.nodes.values():
        name = names[node.name]
        value = node.attrs.get("value")
        if node.op == ARG:
            nodes.append(_placeholder(name, node.dtypes[0], None))
        elif (
            node.op == CONST
            and isinstance(value, np.ndarray)
            and node.dtypes[0] is FLOAT
            and value.nbytes >= _SHARED_BYTES
        ):
            weights[name] = _writable(np.ascontiguousarray(value))
            nodes.append(_placeholder(name, FLOAT, value.shape))
        else:
            inputs = tuple(Value(names[v.node], v.index) for v in node.inputs)
            nodes.append(Node(name, node.op, inputs, (), node.attrs, node.dtypes))
    for index, result in enumerate(function.results):
        dtype = function.dtype(result)
        source = Value(names[result.node], result.index)
        nodes.append(Node(f"result_{index}", "Identity", (source,), (), {"T": dtype}, (dtype,)))
    return export_graph(nodes), weights


def _placeholder(name: str, dtype: DType, shape: Shape) -> Node:
    return Node(name, "Placeholder", (), (), {"dtype": dtype, "shape": shape}, (dtype,))


def _ops_named(text: str, function: Function) -> set[str]:
    """The island's ops that a refusal names."""
    words = set(re.findall(r"\w+", text))
    return words & {n.op for n in function.nodes.values()}


def _writable(array: Array) -> Array:
    """The same memory as an array that claims to be writable.

    OpenVINO shares only such arrays. It reads them; nothing ever writes.
    """
    if array.flags.writeable:
        return array
    memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    memory.owner = array  # type: ignore[attr-defined]  # keeps the mapping alive
    return np.frombuffer(memoryview(memory), array.dtype).reshape(array.shape)
