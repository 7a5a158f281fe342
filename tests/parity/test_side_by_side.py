"""Promise 7: `servable` and `tensorflow` in one process, imported in either order."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(
        find_spec("tensorflow") is None, reason="needs the environment of `make parity`"
    ),
]

# Both sides must be able to read and write the same message, not only be imported.
USE = """
from servable.pb import framework_pb2
from tensorflow.core.framework import tensor_pb2
wire = tensor_pb2.TensorProto(dtype=1, float_val=[1.5]).SerializeToString()
assert framework_pb2.TensorProto.FromString(wire).float_val == [1.5]
assert tensor_pb2.TensorProto.FromString(wire).float_val == [1.5]
"""
OURS = """
from servable.demos import digits
from servable.servables.saved_model import SavedModelLoader
loader = SavedModelLoader(digits.MODELS / "1")
loader.load()
images, _ = digits.heldout()
loader.servable().run("serving_default", {"image": images}, ["probabilities"])
"""
THEIRS = """
import tensorflow as tf
from servable.demos import digits
tf.saved_model.load(str(digits.MODELS / "1"))
"""


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("import tensorflow\n" + OURS + USE + THEIRS, id="tensorflow first"),
        pytest.param(OURS + "import tensorflow\n" + USE + THEIRS, id="servable first"),
    ],
)
def test_both_work_in_one_process(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
