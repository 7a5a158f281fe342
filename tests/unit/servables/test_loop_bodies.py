"""What is heavy in a loop's body is compiled once and used at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format

from servable.engine.backends.openvino import OpenVinoBackend
from servable.engine.compile import Island
from servable.ops.registry import Kernel
from servable.pb import saved_model_pb2
from servable.pb._pool import POOL
from servable.servables.saved_model import SavedModelLoader


class Counting(OpenVinoBackend):
    """Counts what it compiles and how often that is called."""

    def __init__(self) -> None:
        super().__init__()
        self.compiled: list[Island] = []
        self.calls: list[None] = []

    def compile(self, island: Island) -> Kernel:
        self.compiled.append(island)
        kernel = super().compile(island)

        def called(*arrays: Any) -> Any:
            self.calls.append(None)
            return kernel(*arrays)

        return called


def typed(enum: str, name: str = "T") -> str:
    return f'attr {{ key: "{name}" value {{ type: DT_{enum} }} }}'


def number(name: str, value: int) -> str:
    tensor = f"tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: {value} }}"
    value_of = f'attr {{ key: "value" value {{ {tensor} }} }}'
    return f'name: "{name}" op: "Const" {typed("INT32", "dtype")} {value_of}'


LOOP = 'attr { key: "T" value { list { type: DT_INT32 type: DT_FLOAT } } }'
ARGS = """input_arg { name: "i" type: DT_INT32 } input_arg { name: "y" type: DT_FLOAT }"""
FILTER = """tensor { dtype: DT_FLOAT tensor_shape { dim { size: 3 } dim { size: 3 } dim { size: 2 }
    dim { size: 2 } } float_val: 0.05 }"""

# Four times the convolution of what the step before gave.
MODEL = f"""
graph_def {{
  node {{ name: "x" op: "Placeholder" {typed("FLOAT", "dtype")} }}
  node {{ {number("zero", 0)} }}
  node {{ name: "loop" op: "StatelessWhile" input: "zero" input: "x" {LOOP}
    attr {{ key: "cond" value {{ func {{ name: "cond" }} }} }}
    attr {{ key: "body" value {{ func {{ name: "body" }} }} }} }}
  library {{
    function {{ signature {{ name: "cond" {ARGS} output_arg {{ name: "more" type: DT_BOOL }} }}
      node_def {{ {number("four", 4)} }}
      node_def {{ name: "less" op: "Less" input: "i" input: "four:output:0" {typed("INT32")} }}
      ret {{ key: "more" value: "less:z:0" }} }}
    function {{ signature {{ name: "body" {ARGS} output_arg {{ name: "j" type: DT_INT32 }}
        output_arg {{ name: "z" type: DT_FLOAT }} }}
      node_def {{ {number("one", 1)} }}
      node_def {{ name: "filter" op: "Const" {typed("FLOAT", "dtype")}
        attr {{ key: "value" value {{ {FILTER} }} }} }}
      node_def {{ name: "add" op: "AddV2" input: "i" input: "one:output:0" {typed("INT32")} }}
      node_def {{ name: "conv" op: "Conv2D" input: "y" input: "filter:output:0" {typed("FLOAT")}
        attr {{ key: "strides" value {{ list {{ i: 1 i: 1 i: 1 i: 1 }} }} }}
        attr {{ key: "padding" value {{ s: "SAME" }} }} }}
      ret {{ key: "j" value: "add:z:0" }} ret {{ key: "z" value: "conv:output:0" }} }}
  }}
}}
signature_def {{ key: "serving_default" value {{
  inputs {{ key: "x" value {{ name: "x:0" dtype: DT_FLOAT tensor_shape {{
    dim {{ size: -1 }} dim {{ size: 6 }} dim {{ size: 6 }} dim {{ size: 2 }} }} }} }}
  outputs {{ key: "y" value {{ name: "loop:1" dtype: DT_FLOAT
    tensor_shape {{ unknown_rank: true }} }} }} }} }}
"""


def test_a_convolution_in_a_loop_is_compiled_once_and_called_at_every_step(tmp_path: Path) -> None:
    proto = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    text_format.Parse(MODEL, proto.meta_graphs.add(), descriptor_pool=POOL)
    proto.meta_graphs[0].meta_info_def.tags.append("serve")
    (tmp_path / "saved_model.pb").write_bytes(proto.SerializeToString())
    backend = Counting()
    loader = SavedModelLoader(tmp_path, backend=backend)
    loader.load()
    assert len(backend.compiled) == 1
    x = np.ones((1, 6, 6, 2), np.float32)
    y = loader.servable().run("serving_default", {"x": x}, ["y"])["y"]
    assert len(backend.compiled) == 1
    assert len(backend.calls) == 4
    # Away from the border each step multiplies by 3 x 3 x 2 x 0.05.
    assert y.shape == x.shape
    assert 0 < y[0, 0, 0, 0] < y[0, 2, 2, 0] < 0.9**4
