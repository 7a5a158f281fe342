"""One compiled model, called from many threads at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from servable.engine.compile import IslandRefused
from servable.tensors import Array

if TYPE_CHECKING:
    import openvino as ov

log = logging.getLogger(__name__)

_COPIED = 65_536
"""Bytes below which a copy is sooner made than a view."""


class Requests:
    """A compiled model with a pool of infer requests: one for each call in flight.

    Args:
        model: computes.
        more: compiles the same model so that it computes several calls at once. It is asked
            the first time that two calls meet, on a thread of its own, and from then on
            computes those that find `model` busy. May raise IslandRefused.
    """

    def __init__(
        self, model: ov.CompiledModel, more: Callable[[], ov.CompiledModel] | None = None
    ) -> None:
        import openvino as ov

        self._ov = ov
        self._model = model
        self._outputs = len(model.outputs)
        # list.append and list.pop are atomic.
        self._idle: list[ov.InferRequest] = [model.create_infer_request()]
        self._to_start = [] if more is None else [more]
        self._busy: Requests | None = None

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Compute; the results are copies that nobody else holds.

        Raises:
            RuntimeError: OpenVINO refuses the values or shapes.
        """
        try:
            request = self._idle.pop()
        except IndexError:
            self._start_more()
            if self._busy is not None:
                return self._busy.run(arrays)
            request = self._model.create_infer_request()
        try:
            return self._run(request, arrays)
        except RuntimeError:
            request = self._model.create_infer_request()
            raise
        finally:
            # Of those made before there was more, one is enough: the model is busy with it.
            if self._busy is None or not self._idle:
                self._idle.append(request)

    def _run(self, request: ov.InferRequest, arrays: Sequence[Array]) -> list[Array]:
        # Inputs given to `infer` itself are dispatched in Python: measured, twice the time
        # of a small net.
        given = [self._shared(array) for array in arrays]  # alive until it is computed
        for number, tensor in enumerate(given):
            request.set_input_tensor(number, tensor)
        request.infer(share_outputs=True)
        return [np.array(request.get_output_tensor(i).data) for i in range(self._outputs)]

    def _start_more(self) -> None:
        try:
            more = self._to_start.pop()
        except IndexError:
            return
        # The interpreter waits for it: OpenVINO must not be compiling when it ends.
        adding = threading.Thread(target=self._add, args=(more,), name="compile streams")
        try:
            adding.start()
        except RuntimeError as error:  # no more threads; the call itself can be computed
            log.debug("calls are computed one at a time: %s", error)

    def _add(self, more: Callable[[], ov.CompiledModel]) -> None:
        try:
            self._busy = Requests(more())
        except (IslandRefused, RuntimeError) as refusal:
            log.debug("calls are computed one at a time: %s", refusal)

    def _shared(self, array: Array) -> ov.Tensor:
        ov = self._ov
        if array.dtype.kind == "V":  # bfloat16, which numpy does not know
            tensor = ov.Tensor(ov.Type.bf16, ov.Shape(array.shape))
            tensor.data[...] = array.view(np.float16)
            return tensor
        return ov.Tensor(_shareable(array), shared_memory=True)


def finite(array: Array) -> bool:
    """Whether every element is a number. OpenVINO loses NaN."""
    if array.dtype.kind != "f":
        return True
    flat = array.ravel()
    # One product tells in a third of the time; it may overflow where no element is infinite.
    return bool(np.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all())


def _shareable(array: Array) -> Array:
    """The array as OpenVINO shares it: in one piece, and writable, though it writes nothing."""
    if not array.flags.c_contiguous or (array.nbytes < _COPIED and not array.flags.writeable):
        return np.array(array, order="C")
    return writable(array)


def writable(array: Array) -> Array:
    """The same memory as an array that claims to be writable.

    OpenVINO shares only such arrays. It reads them; nothing ever writes.
    """
    if array.flags.writeable:
        return array
    # Numpy passes off dtypes that are not its own as plain bytes.
    return np.asarray(_Writable(array)).view(array.dtype)


class _Writable:
    def __init__(self, array: Array) -> None:
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}
        self._array = array  # keeps the memory
