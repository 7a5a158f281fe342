"""One compiled model, called from many threads at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from servable.tensors import Array

if TYPE_CHECKING:
    import openvino as ov

_COPIED = 65_536
"""Bytes below which a copy is sooner made than a view."""


class Requests:
    """A compiled model with a pool of infer requests: one for each call in flight."""

    def __init__(self, model: ov.CompiledModel) -> None:
        import openvino as ov

        self._ov = ov
        self._model = model
        self._outputs = len(model.outputs)
        # list.append and list.pop are atomic.
        self._idle: list[ov.InferRequest] = [model.create_infer_request()]

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Compute; the results are copies that nobody else holds.

        Raises:
            RuntimeError: OpenVINO refuses the values or shapes.
        """
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        # Inputs given to `infer` itself are dispatched in Python: measured, twice the time
        # of a small net.
        given = [self._shared(array) for array in arrays]  # alive until it is computed
        for number, tensor in enumerate(given):
            request.set_input_tensor(number, tensor)
        request.infer(share_outputs=True)
        results = [np.array(request.get_output_tensor(i).data) for i in range(self._outputs)]
        self._idle.append(request)
        return results

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
