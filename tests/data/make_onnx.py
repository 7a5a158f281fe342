"""Write the ONNX models under tests/data/engines. Needs the packages `onnx` and `numpy`.

Models, each a version folder:
    onnx_dense      float [?, 4] -> softmax of a dense layer, [?, 3]; and the input, doubled
    onnx_lookup     int64 ids [?, ?] -> float rows of a table; and the ids plus one, int64
    onnx_any_rank   float of any shape -> its absolute values
    onnx_outside    a tensor stored in a file outside of its folder
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent / "engines"


def write(name: str, nodes: list, inputs: list, outputs: list, **weights: np.ndarray) -> None:
    constants = [numpy_helper.from_array(value, key) for key, value in weights.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))


def info(name: str, dtype: int, shape: list | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


node = helper.make_node
F, I64 = TensorProto.FLOAT, TensorProto.INT64

write(
    "onnx_dense",
    [
        node("Gemm", ["x", "w", "b"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"]),
        node("Add", ["x", "x"], ["doubled"]),
    ],
    [info("x", F, ["rows", 4])],
    [info("probabilities", F, ["rows", 3]), info("doubled", F, ["rows", 4])],
    w=np.arange(12, dtype=np.float32).reshape(4, 3) / 10,
    b=np.array([0.5, 0, -0.5], np.float32),
)
write(
    "onnx_lookup",
    [node("Gather", ["table", "ids"], ["rows"]), node("Add", ["ids", "one"], ["next"])],
    [info("ids", I64, ["n", "m"])],
    [info("rows", F, ["n", "m", 2]), info("next", I64, ["n", "m"])],
    table=np.array([[0, 1], [10, 11], [20, 21]], np.float32),
    one=np.array(1, np.int64),
)
write("onnx_any_rank", [node("Abs", ["x"], ["y"])], [info("x", F, None)], [info("y", F, None)])

outside = TensorProto(name="w", data_type=F, dims=[4], data_location=TensorProto.EXTERNAL)
for key, value in (("location", "../secret.bin"), ("offset", "0"), ("length", "16")):
    outside.external_data.add(key=key, value=value)
graph = helper.make_graph(
    [node("Add", ["x", "w"], ["y"])], "outside", [info("x", F, [4])], [info("y", F, [4])], [outside]
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
(HERE / "onnx_outside").mkdir(parents=True, exist_ok=True)
(HERE / "onnx_outside" / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
