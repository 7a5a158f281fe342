"""A model of another format, read and computed by OpenVINO as a whole.

There is no host backend behind it, so what OpenVINO was measured to get wrong is refused
where that can be told from the inputs (see `openvino` for the rules): NaN, which it
loses; integers that do not fit int32, in which it computes all of them; tensors without
elements, beside which it reads. What can not be told is documented: float64 is computed
in float32, integers may wrap on the way, and an index out of range gathers zeros.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from servable import tensors
from servable.engine.backends.openvino import MOST_RANKS, MOST_SHAPES, OpenVinoBackend, Shapes
from servable.engine.backends.openvino_convert import frontend_refusals
from servable.engine.backends.openvino_requests import Requests
from servable.engine.backends.openvino_shapes import all_hold_something
from servable.engine.backends.openvino_threads import Manner
from servable.engine.compile import IslandRefused
from servable.errors import Internal, InvalidArgument, ResourceExhausted
from servable.graph.ir import UnsupportedOps
from servable.tensors import Array, DType, Shape

if TYPE_CHECKING:
    import openvino as ov

log = logging.getLogger(__name__)

_BY_OPENVINO = {d.openvino: d for d in tensors.DTYPES if d.openvino}
_INT32 = np.iinfo(np.int32)
_WIDE = frozenset({tensors.INT64, tensors.UINT64, tensors.UINT32})


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output.

    Attributes:
        names: what the file calls it; of several names each stands for it.
    """

    names: tuple[str, ...]
    dtype: DType
    shape: Shape


class WholeModel:
    """A loaded model. Thread-safe.

    Args:
        backend: compiles it, and names the precision.
        framework: the format, as OpenVINO calls it: onnx or tflite.
        path: the file. OpenVINO refuses one that names data outside of its folder.
        resizable: whether inputs may have other shapes than the file says.

    Attributes:
        inputs, outputs: in the order of the file.

    Raises:
        InvalidArgument: the file is broken.
        UnsupportedOps: it needs ops or dtypes that OpenVINO lacks.
    """

    def __init__(
        self, backend: OpenVinoBackend, framework: str, path: Path, *, resizable: bool = False
    ) -> None:
        self._backend = backend
        self._resizable = resizable
        self._model = _read(framework, path)
        try:
            self._probe = self._model.clone()
            self.inputs = tuple(map(_port, self._model.inputs))
            self.outputs = tuple(map(_port, self._model.outputs))
        except (RuntimeError, UnicodeDecodeError) as error:
            raise InvalidArgument(f"{path.name} is broken", hint=_last_line(error)) from error
        self._lock = threading.Lock()
        self._by_shapes: dict[Shapes, Requests] = {}
        self._by_ranks: dict[tuple[int, ...], dict[Manner, Requests]] = {}
        self._main: dict[Manner, Requests] | None = None
        if all(port.shape is not None for port in self.inputs):
            manner = backend.threads.for_calls(self._model)
            try:
                self._main = {manner: backend.compile_model(self._model, manner)}
            except IslandRefused as refusal:
                raise UnsupportedOps(
                    f"OpenVINO can not compile {path.name}", hint=_last_line(refusal)
                ) from refusal

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Compute all outputs.

        Raises:
            InvalidArgument: shapes do not suit the model, or values would be computed wrong.
            Internal: OpenVINO failed.
        """
        for port, array in zip(self.inputs, arrays, strict=True):
            _check_values(port, array)
        requests = self._for_shapes(tuple(array.shape for array in arrays))
        try:
            return requests.run(arrays)
        except RuntimeError as error:
            raise Internal(
                "OpenVINO could not compute the model", hint=_last_line(error)
            ) from error

    def _for_shapes(self, shapes: Shapes) -> Requests:
        found = self._by_shapes.get(shapes)
        if found is not None:
            return found
        with self._lock:
            self._check_shapes(shapes)
            found = self._compiled(shapes, self._backend.threads.for_calls(self._probe))
            if len(self._by_shapes) >= MOST_SHAPES:
                self._by_shapes.clear()
            self._by_shapes[shapes] = found
        return found

    def _declared(self, shapes: Shapes) -> bool:
        return all(
            port.shape is None
            or (
                len(shape) == len(port.shape)
                and all(w in (None, g) for g, w in zip(shape, port.shape, strict=True))
            )
            for shape, port in zip(shapes, self.inputs, strict=True)
        )

    def _check_shapes(self, shapes: Shapes) -> None:
        """Refuse shapes that the model does not take.

        Some of OpenVINO's kernels trust the sizes they get where the model leaves them
        open, so each combination goes through the model's own shape inference.
        """
        given = ", ".join(
            f"{port.names[0]} {list(shape)}"
            for port, shape in zip(self.inputs, shapes, strict=True)
        )
        if not (self._resizable or self._declared(shapes)):
            wanted = ", ".join(f"{p.names[0]} {_shown(p.shape)}" for p in self.inputs)
            raise InvalidArgument(
                f"The model does not take inputs of these shapes: {given}",
                hint=f"It takes {wanted}.",
            )
        try:
            _reshape(self._probe, shapes)
        except RuntimeError as error:
            raise InvalidArgument(
                f"The model does not take inputs of these shapes: {given}", hint=_last_line(error)
            ) from error
        if not all_hold_something(self._probe):
            raise InvalidArgument(
                f"Inputs of these shapes leave a tensor in the model without elements: {given}"
            )

    def _compiled(self, shapes: Shapes, manner: Manner) -> Requests:
        ranks = tuple(map(len, shapes))
        declared = self._main is not None and self._declared(shapes)
        known = self._main if declared else self._by_ranks.get(ranks)
        if known is None and len(self._by_ranks) >= MOST_RANKS:
            raise ResourceExhausted(
                f"The model was compiled for {MOST_RANKS} ranks of its inputs already"
            )
        if known is None or manner not in known:
            try:
                model = self._model.clone()
                if not declared:
                    _reshape(model, tuple((-1,) * rank for rank in ranks))
                requests = self._backend.compile_model(model, manner)
            except (RuntimeError, IslandRefused) as error:
                raise InvalidArgument(
                    f"The model does not take inputs of ranks {list(ranks)}", hint=_last_line(error)
                ) from error
            if known is None:
                known = self._by_ranks[ranks] = {}
            known[manner] = requests
        return known[manner]


def _read(framework: str, path: Path) -> ov.Model:
    from openvino import frontend

    refusals: tuple[type[Exception], ...] = (
        *frontend_refusals(),
        UnicodeDecodeError,  # its texts quote the file
    )
    reader = frontend.FrontEndManager().load_by_framework(framework)
    try:
        loaded = reader.load(str(path))
    except refusals as error:
        raise InvalidArgument(f"{path.name} can not be read", hint=_last_line(error)) from error
    try:
        return reader.convert(loaded)
    except refusals as error:
        raise UnsupportedOps(
            f"OpenVINO can not convert {path.name}: {_last_line(error)}"
        ) from error


def _port(port: Any) -> Port:
    kind = port.get_element_type().get_type_name()
    names = tuple(sorted(port.get_names())) or (port.get_node().get_friendly_name(),)
    if kind not in _BY_OPENVINO:
        raise UnsupportedOps(f"{names[0]} is of type {kind}, which is not supported")
    dtype = _BY_OPENVINO[kind]
    if dtype is tensors.DOUBLE:
        log.warning("%s is double; OpenVINO computes it in single precision", names[0])
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return Port(names, dtype, None)
    return Port(
        names, dtype, tuple(None if size.is_dynamic else size.get_length() for size in shape)
    )


def _check_values(port: Port, array: Array) -> None:
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InvalidArgument(
            f"{port.names[0]} holds NaN, which this engine would lose",
            hint="Replace missing values before sending them.",
        )
    if (
        port.dtype in _WIDE
        and array.size
        and not (_INT32.min <= array.min() and array.max() <= _INT32.max)
    ):
        raise InvalidArgument(
            f"{port.names[0]} holds an integer beyond int32, in which this engine computes",
            hint=f"It must lie between {_INT32.min} and {_INT32.max}.",
        )


def _reshape(model: ov.Model, shapes: Shapes) -> None:
    import openvino as ov

    model.reshape({i: ov.PartialShape(list(shape)) for i, shape in enumerate(shapes)})


def _shown(shape: Shape) -> str:
    return (
        "any shape"
        if shape is None
        else f"[{', '.join('?' if d is None else str(d) for d in shape)}]"
    )


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
