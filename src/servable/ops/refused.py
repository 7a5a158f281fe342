"""Why some ops are not run, for those who meet them."""

from __future__ import annotations

from collections.abc import Iterable

_FILES = "A request must not read or write files of the server, so ops on files are not run."
_QUEUES = (
    "Queues, readers and datasets feed a training program. Export a signature that takes"
    " tensors instead."
)
_STABLEHLO = (
    "This model was converted by jax2tf as compiled StableHLO. Convert it with"
    " jax2tf.convert(…, native_serialization=False), which writes ops that can be run."
)
_PYTHON = "Python functions are not part of a SavedModel, so nobody but their author can run them."
_OTHERWISE = "These ops are outside the list that is supported without TensorFlow."

_REASONS = (
    (("XlaCallModule",), _STABLEHLO),
    (
        ("ReadFile", "WriteFile", "MatchingFiles", "ImmutableConst", "Save", "MergeV2Checkpoints"),
        _FILES,
    ),
    (("PyFunc", "EagerPyFunc"), _PYTHON),
)
_TRAINING = ("Dataset", "Queue", "Reader", "Iterator")


def hint(ops: Iterable[str]) -> str:
    """What to do about ops that are not run."""
    named = list(ops)
    found = [why for names, why in _REASONS if any(op.startswith(names) for op in named)]
    if any(word in op for op in named for word in _TRAINING):
        found.append(_QUEUES)
    return " ".join(found) or _OTHERWISE
