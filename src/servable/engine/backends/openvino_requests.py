"""One compiled model, called from many threads at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from servable.tensors import Array

if TYPE_CHECKING:
    import openvino as ov


class Requests:
    """A compiled model with a pool of infer requests: one for each call in flight."""

    def __init__(self, model: ov.CompiledModel) -> None:
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
        made = request.infer(
            [_shareable(a) for a in arrays],
            share_inputs=True,
            share_outputs=True,
        )
        results = [np.array(made[i]) for i in range(self._outputs)]
        self._idle.append(request)
        return results


def _shareable(array: Array) -> Array:
    # OpenVINO shares scalars only if they are writable.
    return np.ascontiguousarray(array) if array.ndim else np.array(array)
