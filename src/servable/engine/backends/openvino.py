"""Islands compiled by OpenVINO for the CPU.

Rules that were found by measuring OpenVINO 2026.4:

- It computes int64 in int32 and float64 in float32, so neither is computed in an island;
  int64 may pass through ops for which it is an index, a size or an axis. Some ops take
  int32 through float32, so each op says whether it was seen to compute it exactly.
- It loses NaN (exp(nan) is inf, max(nan, 1) is 1), so inputs that are not finite are
  computed on the host.
- It may choose bfloat16 by itself, so the precision is always named.
- It refuses inputs of unknown rank, and gets images wrong whose rank it was not told, so an
  island is converted and compiled again for each rank it meets.
"""

from __future__ import annotations

import copy
import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from servable.cpus import cpu_budget
from servable.engine.backends.openvino_convert import Source, arguments
from servable.engine.backends.openvino_recurrent import compile_layer
from servable.engine.backends.openvino_requests import Requests, finite
from servable.engine.backends.openvino_shapes import all_hold_something, sizes_fit
from servable.engine.backends.openvino_special import Often, Room
from servable.engine.backends.openvino_threads import Hint, Manner, Threads, values_of, weights_of
from servable.engine.compile import Island as IslandToCompile
from servable.engine.compile import IslandRefused
from servable.graph.ir import ARG, CONST, Function, Node
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

WORTH_WEIGHTS_IN_LOOPS = 1_048_576
"""Likewise in a loop's body. Measured: a product with 512 x 512 weights for one row took
numpy 50 us and an island 270 us; convolutions are worth it there too, up to fivefold."""

LEAST_STEPS = 8
"""Steps of a recurrent layer from which OpenVINO computes it. With 64 units a call costs
0.1 to 0.2 ms, and numpy's steps 10 us for one row and 40 us for 16: a middle between these."""

Shapes: TypeAlias = tuple[tuple[int, ...], ...]

MOST_SHAPES = 4096
"""Bound on the combinations of input shapes whose check is remembered."""

PREPARED_SHAPES = "32"
"""What OpenVINO keeps prepared for shapes that it met. Measured on the digits CNN over 600
batch sizes: memory grew by 415 MB under its own default of 5000, by 165 MB and no further
under this."""

FEW_PRODUCTS = 400_000
"""Multiplications up to which a net of dense layers alone is left to numpy. Measured with 784
inputs and 128 units: for one row numpy took 15 us and an island 39 us, for 16 they were even."""

MOST_RANKS = 8
"""Bound on how often one island is compiled for ranks other than the signature's."""


class OpenVinoBackend:
    """Compiles islands; thread-safe. One for each process is enough."""

    name = "openvino"
    least_steps = LEAST_STEPS

    def __init__(
        self,
        *,
        precision: str = "f32",
        cache: Path | None = None,
        threads: int | None = None,
        hint: Hint = "auto",
    ) -> None:
        """Compute islands in f32, or in bf16 or f16 where the processor has them.

        Args:
            precision: one of these.
            cache: a folder that keeps what was compiled, for the next start.
            threads: how many compute at the same time for one model; None for as many as the
                process may keep busy.
            hint: how they are divided among calls.
        """
        budget = cpu_budget()
        if threads is None and budget < (os.cpu_count() or 1):
            # OpenVINO knows the machine, and no limit on the process's CPU time.
            threads = budget
        self.threads = Threads(hint, threads or budget, threads)
        self._precision = precision
        self._config = {"CPU_RUNTIME_CACHE_CAPACITY": PREPARED_SHAPES}
        if cache is not None:
            self._config["CACHE_DIR"] = str(cache)
        self._lock = threading.Lock()
        self._cores: list[ov.Core] = []
        self._in_loops = False

    def for_loops(self) -> OpenVinoBackend:
        """See `Backend.for_loops`."""
        other = copy.copy(self)
        other._in_loops = True
        return other

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
            # Products of two activations are large in attention; in a loop's body they may be
            # anything, and a small one is done sooner by numpy.
            if "Conv" in node.op or not (any(sizes) or self._in_loops):
                return True
            weights += sum(sizes)
        return weights >= (WORTH_WEIGHTS_IN_LOOPS if self._in_loops else WORTH_WEIGHTS)

    def compile(self, island: IslandToCompile) -> Kernel:
        """Compile an island for the shapes that are known; see `Backend.compile`."""
        return _IslandKernel(self, island)

    def alone(self, node: Node, nodes: Mapping[str, Node], host: Kernel) -> Kernel | None:
        """Compile a recurrent layer; see `Backend.alone`."""
        return compile_layer(node, nodes, host, self._layer, self.least_steps)

    def _layer(self, model: ov.Model, small: bool) -> Requests:
        # A layer's steps wait for one another: a small one gains from threads in no mode, and
        # a thread that is bound to a core keeps all waiting for whatever else runs there.
        # Measured: medians on a busy machine came down to a fifth without.
        manner = Manner.ONE if small else self.threads.manner(small=False)
        return self.compile_model(model, manner, bound=False)

    def core(self) -> ov.Core:
        """The process's OpenVINO core, made when it is first needed."""
        with self._lock:
            if not self._cores:
                import openvino as ov

                core = ov.Core()
                self._config["INFERENCE_PRECISION_HINT"] = _possible(core, self._precision)
                self._cores.append(core)
            return self._cores[0]

    def compile_model(
        self, model: ov.Model, manner: Manner, *, bound: bool = True, cached: bool = True
    ) -> Requests:
        """Compile a model, to be called in this manner.

        Args:
            bound: whether its threads may be bound to cores.
            cached: whether the next start may find it in the cache folder.

        Raises:
            IslandRefused: the plugin does not take it.
        """
        more = None
        if manner is not Manner.STREAMS and self.threads.adds_streams(model):
            more = partial(self._compiled, model, Manner.STREAMS, cached=cached)
        return Requests(self._compiled(model, manner, bound=bound, cached=cached), more)

    @property
    def specializes(self) -> bool:
        """Whether shapes that come often are compiled for once more.

        In half precision what comes of it differs by more than batching bears. What else the
        hints ask for would be asked for each of the shapes.
        """
        return self.threads.hint == "auto" and self._config["INFERENCE_PRECISION_HINT"] == "f32"

    def compile_special(self, model: ov.Model, manner: Manner, room: Room) -> Requests:
        """Compile a model for one shape of many; see `compile_model`. It is not cached: which
        shapes come often differs from start to start.

        Raises:
            IslandRefused: likewise, or there is no room.
        """
        room.take(values_of(model))
        return self.compile_model(model, manner, bound=False, cached=False)

    def _compiled(
        self, model: ov.Model, manner: Manner, *, bound: bool = False, cached: bool = True
    ) -> ov.CompiledModel:
        try:
            core = self.core()
            settings = {**self._config, **self.threads.settings(manner, bound=bound)}
            if not cached and "CACHE_DIR" in settings:
                settings["CACHE_DIR"] = ""
            return core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise IslandRefused(str(error)) from error


def _possible(core: ov.Core, precision: str) -> str:
    """The precision, or f32 if the processor would only imitate it.

    Measured on one without bfloat16: a matrix product took 20 times as long in it.
    """
    wanted = {"bf16": "BF16", "f16": "FP16"}.get(precision)
    if wanted is None or wanted in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return precision
    log.warning("this processor has no %s arithmetic; computing in f32", precision)
    return "f32"


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


_BY_ROWS = frozenset(
    {
        ARG,
        CONST,
        "Add",
        "AddV2",
        "BiasAdd",
        "Elu",
        "Identity",
        "LeakyRelu",
        "MatMul",
        "Maximum",
        "Mul",
        "Relu",
        "Relu6",
        "Selu",
        "Sigmoid",
        "Softmax",
        "Softplus",
        "Sub",
        "Tanh",
    }
)


def _row_products(function: Function) -> int:
    """Multiplications for each row of a net of dense layers; 0 for any other net."""
    nodes = function.nodes
    if len(function.args) != 1 or any(node.op not in _BY_ROWS for node in nodes.values()):
        return 0
    products = [node for node in nodes.values() if node.op == "MatMul"]
    return sum(_size(nodes[value.node]) for node in products for value in node.inputs)


class _IslandKernel:
    """An island compiled for the shapes it meets. Called from many threads at once."""

    def __init__(self, backend: OpenVinoBackend, island: IslandToCompile) -> None:
        self._backend = backend
        self._fallback = island.fallback
        self._lock = threading.Lock()
        self._row_products = _row_products(island.function)
        self._source = Source(island.function)
        self._by_shape: dict[Shapes, Requests | Often | None] = {}
        self._room: Room | None = None
        self._by_rank: dict[tuple[int, ...], _Converted | None] = {}
        self._main: _Converted | None = None
        # Converted now, whatever is known, so that a refusal shows while the model loads.
        model = self._source.convert(island.shapes)
        if all(shape is not None for shape in island.shapes):
            self._main = _Converted(backend, model, island.shapes)
            self._main.compile(backend.threads.for_calls(model))

    def __call__(self, *arrays: Array) -> Sequence[Array]:
        compiled = self._for_shapes(tuple(a.shape for a in arrays))
        if compiled is None or not all(map(finite, arrays)):
            return self._fallback(*arrays)  # type: ignore[no-any-return]  # a list of arrays
        try:
            return compiled.run(arrays)
        except RuntimeError as error:
            # The host gives TensorFlow's own text for what the values break, or an answer.
            log.debug("island failed on %s: %s", [a.shape for a in arrays], error)
            return self._fallback(*arrays)  # type: ignore[no-any-return]  # a list of arrays

    def _for_shapes(self, shapes: Shapes) -> Requests | Often | None:
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
                self._by_shape = {
                    known: found
                    for known, found in self._by_shape.items()
                    if isinstance(found, Often) and found.compiled
                }
            self._by_shape[shapes] = compiled = self._checked(shapes)
            return compiled

    def _checked(self, shapes: Shapes) -> Requests | Often | None:
        # Some of OpenVINO's shape inference divides by sizes.
        if any(0 in shape for shape in shapes):
            return None
        (first, *_) = shapes or ((),)
        if first and 0 < self._row_products * first[0] <= FEW_PRODUCTS:
            return None
        converted = self._main
        if converted is None or not converted.is_for(shapes):
            converted = self._for_ranks(tuple(map(len, shapes)))
        if converted is None or not converted.takes(shapes):
            return None
        general = converted.compiled()
        if general is None or not self._backend.specializes or converted.is_only_for(shapes):
            return general
        if self._room is None:
            self._room = Room(converted.weights)
        return Often(general, converted.special(shapes, self._room), self._room)

    def _for_ranks(self, ranks: tuple[int, ...]) -> _Converted | None:
        if ranks not in self._by_rank:
            if len(self._by_rank) >= MOST_RANKS:
                return None
            open_sizes = tuple((None,) * rank for rank in ranks)
            try:
                model = self._source.convert(open_sizes)
                self._by_rank[ranks] = _Converted(self._backend, model, open_sizes)
            except IslandRefused as refusal:
                log.debug("island refused for ranks %s: %s", ranks, refusal)
                self._by_rank[ranks] = None
        return self._by_rank[ranks]


class _Converted:
    """An island converted for inputs of certain shapes. Used by one thread at a time, but for
    what is compiled in the background."""

    def __init__(self, backend: OpenVinoBackend, model: ov.Model, known: Sequence[Shape]) -> None:
        self._backend = backend
        self._model = model
        self._probe = _clone(model)
        self._known = tuple(map(_partial, known))
        self._compiled: dict[Manner, Requests | None] = {}
        self._lock = threading.Lock()

    def is_for(self, shapes: Shapes) -> bool:
        """Whether these shapes are among those that it was converted for."""
        return all(
            len(given) == len(wanted)
            and all(w in (-1, g) for g, w in zip(given, wanted, strict=True))
            for given, wanted in zip(shapes, self._known, strict=True)
        )

    def takes(self, shapes: Shapes) -> bool:
        """Whether the model takes inputs of these shapes, as TensorFlow would."""
        try:
            _reshape(self._probe, shapes)
        except IslandRefused as refusal:
            log.debug("island refused for shapes %s: %s", shapes, refusal)
            return False
        return sizes_fit(self._probe)

    @property
    def weights(self) -> int:
        """How many numbers the island holds."""
        return weights_of(self._model)

    def is_only_for(self, shapes: Shapes) -> bool:
        """Whether it was converted for no others than these."""
        return self._known == shapes

    def compiled(self) -> Requests | None:
        """The island compiled for all shapes that it was converted for, to be called with those
        that it was last asked about; None if it is refused."""
        manner = self._backend.threads.for_calls(self._probe)
        if manner not in self._compiled:
            try:
                self.compile(manner)
            except IslandRefused as refusal:
                log.debug("island refused for shapes %s: %s", self._known, refusal)
        return self._compiled[manner]

    def special(self, shapes: Shapes, room: Room) -> Callable[[], Requests]:
        """What compiles it for the shapes that it was last asked about; for any thread."""
        manner = self._backend.threads.for_calls(self._probe)
        return lambda: self._backend.compile_special(self._shaped(shapes), manner, room)

    def compile(self, manner: Manner) -> None:
        """Compile it.

        Raises:
            IslandRefused: it can not be.
        """
        self._compiled[manner] = None
        self._compiled[manner] = self._backend.compile_model(self._shaped(self._known), manner)

    def _shaped(self, shapes: Shapes) -> ov.Model:
        with self._lock:
            model = _clone(self._model)
        _reshape(model, shapes)
        if not all_hold_something(model):
            # Compiling one that is sure to hold nothing may end the process.
            raise IslandRefused("a tensor has no elements")
        return model


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

    `Model.reshape` would also change the model, so that sizes it holds fit new inputs.

    Raises:
        IslandRefused: they do not fit the model.
    """
    import openvino as ov

    try:
        for parameter, shape in zip(arguments(model), shapes, strict=True):
            parameter.set_partial_shape(ov.PartialShape(list(shape)))
        model.validate_nodes_and_infer_types()
    except RuntimeError as error:
        raise IslandRefused(str(error)) from error


def _partial(shape: Shape) -> tuple[int, ...]:
    return tuple(-1 if size is None else size for size in shape or ())
