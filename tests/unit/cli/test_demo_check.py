"""What the demo measures, and what it complains about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from servable import tensors
from servable.cli.demo_check import Row, complaints, measure
from servable.client import Metadata, Prediction
from servable.tensors import Signature, TensorSpec

SPEC = TensorSpec("", tensors.FLOAT, None)
LABELS = np.array([0, 1, 1, 0])


class Parrot:
    """A model of one pixel: its two scores are the pixel and what is missing to one."""

    def metadata(self, model: str, *, version: int | None = None) -> Metadata:
        signature = Signature(inputs={"pixel": SPEC}, outputs={"scores": SPEC})
        return Metadata(model, version or 0, {"serving_default": signature})

    def predict(
        self, model: str, inputs: Mapping[str, Any], *, version: int | None, **_: Sequence[str]
    ) -> Prediction:
        pixel = inputs["pixel"]
        assert (model, len(pixel)) == ("m", 1)
        return Prediction({"scores": np.stack([pixel, 1 - pixel], axis=1)}, version)


def test_every_image_is_sent_and_compared_with_its_label() -> None:
    answered: list[int] = []
    client: Any = Parrot()

    row = measure(
        client,
        "gRPC",
        "m",
        2,
        np.array([0.9, 0.1, 0.8, 0.7], np.float32),
        LABELS,
        on_answer=lambda: answered.append(1),
    )

    assert row.accuracy == 0.75
    assert row.scores.shape == (4, 2)
    assert len(answered) == 4


def row(version: int, protocol: str, accuracy: float, score: float = 0.5) -> Row:
    return Row(version, protocol, np.full((4, 2), score, np.float32), accuracy, 0.001)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row(1, "gRPC", 0.5), row(2, "gRPC", 0.97), row(2, "REST", 0.97)], []),
        (
            [row(2, "gRPC", 0.98), row(2, "REST", 0.96)],
            ["version 2 over REST gets 96.0% right, and 97% is the least"],
        ),
        (
            [row(1, "gRPC", 0.9, 0.5), row(1, "REST", 0.9, 0.6), row(2, "gRPC", 0.98, 0.1)],
            ["version 1 answers differently over REST and gRPC"],
        ),
    ],
    ids=["fine", "not good enough", "protocols differ"],
)
def test_the_check_says_what_is_wrong(rows: list[Row], expected: list[str]) -> None:
    assert complaints(rows) == expected
