"""The loss of connectionist temporal classification.

Graves and others, "Connectionist temporal classification" (ICML 2006), in logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.activation import log_softmax
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array


@op(
    "CTCLoss",
    attrs="preprocess_collapse_repeated ctc_merge_repeated ignore_longer_outputs_than_inputs",
)
def ctc_loss(build: Build) -> Kernel:
    """The negative log probability of each sequence of labels, and its gradient.

    The last class is the blank.
    """
    collapse = build.bool("preprocess_collapse_repeated")
    merge = build.bool("ctc_merge_repeated")
    ignore = build.bool("ignore_longer_outputs_than_inputs")

    def kernel(
        inputs: Array, labels_indices: Array, labels_values: Array, sequence_length: Array
    ) -> tuple[Any, Any]:
        rows = _labels(inputs, labels_indices, labels_values, sequence_length)
        loss = np.zeros(inputs.shape[1], inputs.dtype)
        gradient = np.zeros(inputs.shape, inputs.dtype)
        for number, labels in enumerate(rows):
            length = int(sequence_length[number])
            if collapse:
                labels = [v for at, v in enumerate(labels) if not at or v != labels[at - 1]]
            if len(labels) > length:
                if ignore:
                    continue
                raise InvalidArgument(
                    f"Not enough time for target transition sequence (required: {len(labels)},"
                    f" available: {length}){number}You can turn this error into a warning by"
                    " using the flag ignore_longer_outputs_than_inputs"
                )
            logs = log_softmax(inputs[:length, number].astype(np.float64))
            loss[number], gradient[:length, number] = _loss(logs, labels, merge)
        return loss, gradient

    return kernel


def _labels(inputs: Array, indices: Array, values: Array, lengths: Array) -> list[list[int]]:
    """Check the inputs, and return the labels of each row.

    Raises:
        InvalidArgument: they do not belong together.
    """
    if inputs.ndim != 3:
        raise InvalidArgument(f"inputs is not a 3-Tensor: {shape_text(inputs)}")
    if lengths.ndim != 1:
        raise InvalidArgument("sequence_length is not a vector")
    if indices.ndim != 2:
        raise InvalidArgument("labels_indices is not a matrix")
    if indices.shape[1] < 2:
        raise InvalidArgument("labels_indices second dimension must be >= 2.")
    if values.ndim != 1:
        raise InvalidArgument("labels_values is not a vector")
    time, batch, classes = inputs.shape
    if not batch:
        raise InvalidArgument("batch_size must not be 0")
    if len(indices) != len(values):
        raise InvalidArgument(
            "labels_indices and labels_values must contain the same number of rows"
        )
    if len(lengths) != batch:
        raise InvalidArgument(
            f"len(sequence_length) != batch_size.  len(sequence_length):  {len(lengths)}"
            f" batch_size: {batch}"
        )
    for number, length in enumerate(lengths.tolist()):
        if not 0 <= length <= time:
            raise InvalidArgument(f"sequence_length({number}) <= {time}")
    check_size(inputs.shape, 8)
    rows: list[list[int]] = [[] for _ in range(batch)]
    for row, value in zip(indices[:, 0].tolist(), values.tolist(), strict=True):
        if not 0 <= row < batch:
            raise InvalidArgument(
                f"labels batch index must be between 0 and {batch} but saw: {row}"
            )
        rows[row].append(value)
    return [_before_blanks(number, row, classes - 1) for number, row in enumerate(rows)]


def _before_blanks(number: int, row: list[int], blank: int) -> list[int]:
    """The labels of a row, which may end in blanks."""
    if not row:
        raise InvalidArgument(f"Labels length is zero in batch {number}")
    labels = [label for label in row if label < blank]
    if row[: len(labels)] != labels:
        raise InvalidArgument(
            "Saw a non-null label (index >= num_classes - 1) following a null label, batch:"
            f" {number} num_classes: {blank + 1} labels: {','.join(map(str, row))}"
        )
    if min(labels, default=0) < 0:
        raise InvalidArgument(
            f"All labels must be nonnegative integers, batch: {number} labels:"
            f" {','.join(map(str, row))}"
        )
    return labels


def _loss(logs: Array, labels: Sequence[int], merge: bool) -> tuple[Any, Any]:
    """Loss and gradient of one sequence.

    Args:
        logs: log probabilities, [time, classes].
    """
    time, classes = logs.shape
    # Blanks around every label.
    path = np.full(2 * len(labels) + 1, classes - 1)
    path[1::2] = labels
    blank = path == classes - 1
    stays = blank | merge
    skips = np.zeros(len(path), np.bool_)
    skips[2:] = ~blank[2:] & ~(merge & (path[2:] == path[:-2]))
    seen = logs[:, path]
    forward = np.full(seen.shape, -np.inf)
    forward[0, :2] = seen[0, :2]
    for t in range(1, time):
        forward[t] = seen[t] + _steps(forward[t - 1], stays, skips)
    backward = np.full(seen.shape, -np.inf)
    backward[-1, -2:] = 0
    # Backwards a label may be skipped to from two places later.
    for t in range(time - 2, -1, -1):
        later = (backward[t + 1] + seen[t + 1])[::-1]
        backward[t] = _steps(later, stays[::-1], _shifted(skips)[::-1])[::-1]
    both = forward + backward
    total = np.logaddexp.reduce(both[0])
    gradient = np.exp(logs)
    if np.isneginf(total):
        return np.inf, gradient
    times = np.arange(time)[:, None]
    np.subtract.at(gradient, (times, path), np.exp(both - total))
    return -total, gradient


def _shifted(skips: Array) -> Array:
    """Whether two places later can be reached from here."""
    return np.concatenate((skips[2:], np.zeros(min(2, len(skips)), np.bool_)))


def _steps(before: Array, stays: Array, skips: Array) -> Array:
    """Log probabilities of being at each place after a step: stay, go on by one, or by two."""
    made = np.where(stays, before, -np.inf)
    made[1:] = np.logaddexp(made[1:], before[:-1])
    made[2:] = np.logaddexp(made[2:], np.where(skips[2:], before[:-2], -np.inf))
    return made
