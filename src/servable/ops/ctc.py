"""Decoders of connectionist temporal classification: scores over time to sequences of labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servable.errors import FailedPrecondition, InvalidArgument
from servable.ops.beams import beam_search
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array


def _lengths(scores: Array, lengths: Array) -> list[int]:
    """The number of steps of every sequence; `scores` is [time, batch, classes].

    Raises:
        InvalidArgument: the shapes do not belong together.
        FailedPrecondition: a sequence is longer than the scores.
    """
    if scores.ndim != 3:
        raise InvalidArgument("inputs is not a 3-Tensor")
    if not scores.size:
        raise InvalidArgument("inputs must not be empty")
    if lengths.ndim != 1:
        raise InvalidArgument("sequence_length is not a vector")
    time, batch, _ = scores.shape
    if len(lengths) != batch:
        raise FailedPrecondition(
            f"len(sequence_length) != batch_size.  len(sequence_length):  {len(lengths)}"
            f" batch_size: {batch}"
        )
    for number, length in enumerate(lengths):
        if length > time:
            raise FailedPrecondition(f"sequence_length({number}) <= {time}")
    return [max(int(length), 0) for length in lengths]


def _sparse(rows: Sequence[Sequence[int]]) -> tuple[Array, Array, Array]:
    """Rows of labels as indices, values and shape of a sparse matrix."""
    indices = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    return (
        np.array(indices, np.int64).reshape(-1, 2),
        np.array([label for row in rows for label in row], np.int64),
        np.array([len(rows), max(map(len, rows), default=0)], np.int64),
    )


@op("CTCGreedyDecoder", attrs="merge_repeated blank_index")
def ctc_greedy_decoder(build: Build) -> Kernel:
    """The best label at every step, without blanks. Outputs: a sparse matrix, and scores."""
    merge = build.bool("merge_repeated")
    wanted = build.int("blank_index")

    def kernel(scores: Array, sequence_length: Array) -> tuple[Array, Array, Array, Array]:
        lengths = _lengths(scores, sequence_length)
        classes = scores.shape[2]
        blank = wanted + classes if wanted < 0 else wanted
        if not 0 <= blank < classes:
            raise InvalidArgument(
                f"blank_index expected to be between {-classes} and {classes - 1} but was {wanted}"
            )
        best = _first_largest(scores)
        largest = np.take_along_axis(scores, best[..., np.newaxis], axis=2)[..., 0]
        rows = []
        total = np.zeros((len(lengths), 1), scores.dtype)
        for number, length in enumerate(lengths):
            labels = best[:length, number]
            if merge and length:
                labels = labels[np.append(True, labels[1:] != labels[:-1])]
            rows.append(labels[labels != blank].tolist())
            total[number, 0] = -largest[:length, number].sum()
        return (*_sparse(rows), total)

    return kernel


def _first_largest(scores: Array) -> Array:
    """The first of the largest classes; not a number wins only where it comes first."""
    strange = np.isnan(scores)
    best: Array = np.where(strange, -np.inf, scores).argmax(axis=2)
    best[strange[..., 0]] = 0
    return best


@op("CTCBeamSearchDecoder", attrs="beam_width top_paths merge_repeated")
def ctc_beam_search_decoder(build: Build) -> Kernel:
    """The most probable sequences. Outputs: sparse matrices, best first, and log probabilities."""
    width, paths = build.int("beam_width"), build.int("top_paths")
    merge = build.bool("merge_repeated")

    def kernel(scores: Array, sequence_length: Array) -> list[Array]:
        lengths = _lengths(scores, sequence_length)
        if paths > width:
            raise InvalidArgument("requested more paths than the beam width.")
        found = [
            beam_search(scores[:length, number], width, paths)
            for number, length in enumerate(lengths)
        ]
        decoded = [
            _sparse([_merged(beams[path][0]) if merge else beams[path][0] for beams in found])
            for path in range(paths)
        ]
        logs = np.array([[log for _, log in beams] for beams in found], scores.dtype)
        return [*(part for parts in zip(*decoded, strict=True) for part in parts), logs]

    return kernel


def _merged(labels: Sequence[int]) -> list[int]:
    return [label for at, label in enumerate(labels) if at == 0 or label != labels[at - 1]]
