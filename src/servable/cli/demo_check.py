"""How good and how fast the demo's models answer over a client; no output of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from servable.client import Client
from servable.tensors import Array

WANTED_VERSION = 2
WANTED_ACCURACY = 0.97

# Two protocols carry the same numbers; only the digits that JSON writes may differ.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Row:
    """What one version answered over one protocol, one image for each request.

    Attributes:
        scores: float32 [images, classes].
        accuracy: share of images whose highest score is at their label.
        median_seconds: of one request, measured at the client.
    """

    version: int
    protocol: str
    scores: Array
    accuracy: float
    median_seconds: float


def measure(
    client: Client,
    protocol: str,
    model: str,
    version: int,
    images: Array,
    labels: Array,
    *,
    on_answer: Callable[[], None],
) -> Row:
    """Send every image in a request of its own, and compare the answers with the labels."""
    signature = client.metadata(model, version=version).signatures["serving_default"]
    (input_alias,), (output_alias,) = signature.inputs, signature.outputs
    scores, seconds = [], []
    for index in range(len(images)):
        inputs = {input_alias: images[index : index + 1]}
        started = time.perf_counter()
        answer = client.predict(model, inputs, version=version)
        seconds.append(time.perf_counter() - started)
        scores.append(answer.outputs[output_alias][0])
        on_answer()
    stacked = np.stack(scores)
    return Row(
        version=version,
        protocol=protocol,
        scores=stacked,
        accuracy=float((stacked.argmax(axis=1) == labels).mean()),
        median_seconds=statistics.median(seconds),
    )


def complaints(rows: Sequence[Row]) -> list[str]:
    """Say what is wrong with the answers; [] if nothing is."""
    found = [
        f"version {row.version} over {row.protocol} gets {row.accuracy:.1%} right, "
        f"and {WANTED_ACCURACY:.0%} is the least"
        for row in rows
        if row.version == WANTED_VERSION and row.accuracy < WANTED_ACCURACY
    ]
    first = {row.version: row for row in reversed(rows)}
    return found + [
        f"version {row.version} answers differently over {row.protocol} "
        f"and {first[row.version].protocol}"
        for row in rows
        if not np.allclose(row.scores, first[row.version].scores, rtol=0, atol=_TOLERANCE)
    ]
