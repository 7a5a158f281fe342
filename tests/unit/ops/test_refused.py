"""What a model's owner is told about ops that are not run."""

from __future__ import annotations

import pytest

from servable.engine.backends.host import check_supported
from servable.errors import Unimplemented
from servable.graph.ir import Node


@pytest.mark.parametrize(
    ("op", "word"),
    [
        ("XlaCallModule", "native_serialization=False"),
        ("ReadFile", "files"),
        ("MatchingFiles", "files"),
        ("TensorSliceDataset", "signature that takes tensors"),
        ("QueueDequeueV2", "signature that takes tensors"),
        ("EagerPyFunc", "Python functions"),
        ("SomethingElse", "without TensorFlow"),
    ],
)
def test_the_hint_says_why_an_op_is_not_run(op: str, word: str) -> None:
    with pytest.raises(Unimplemented) as refusal:
        check_supported([Node("here", op, (), (), {}, ())])
    assert word in refusal.value.hint
