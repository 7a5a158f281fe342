"""Small graphs to build SavedModels of, and how the engine answers for a folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from google.protobuf import text_format

from servable import edit
from servable.engine.backends.null import NullBackend
from servable.pb import framework_pb2, saved_model_pb2
from servable.pb._pool import POOL
from servable.servables.saved_model import SavedModelLoader
from servable.tensors import Array

MODELS = Path(__file__).parents[1] / "data" / "models"

W = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
B = np.array([10.0, 20.0], np.float32)

LINEAR = """
node { name: "x" op: "Placeholder" device: "/cpu:0"
       attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { dim { size: -1 } dim { size: 2 } } } } }
node { name: "w" op: "VarHandleOp"
       attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { dim { size: 2 } dim { size: 2 } } } }
       attr { key: "shared_name" value { s: "w" } } }
node { name: "w/read" op: "ReadVariableOp" input: "w"
       attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "b" op: "VariableV2"
       attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { dim { size: 2 } } } }
       attr { key: "container" value { s: "" } } }
node { name: "unused" op: "VarHandleOp"
       attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { } } }
       attr { key: "shared_name" value { s: "unused" } } }
node { name: "product" op: "MatMul" input: "x" input: "w/read" device: "/cpu:0"
       attr { key: "T" value { type: DT_FLOAT } }
       attr { key: "transpose_a" value { b: false } } }
node { name: "y" op: "AddV2" input: "product" input: "b"
       attr { key: "T" value { type: DT_FLOAT } } }
node { name: "train" op: "AssignAddVariableOp" input: "w" input: "w/read"
       attr { key: "dtype" value { type: DT_FLOAT } } }
versions { producer: 2000 }
"""


def linear() -> framework_pb2.GraphDef:
    """y = x @ w + b, with a resource, a reference, an unused variable and a training op."""
    graph = framework_pb2.GraphDef()
    text_format.Parse(LINEAR, graph, descriptor_pool=POOL)
    return graph


def linear_signature() -> saved_model_pb2.SignatureDef:
    return edit.predict_signature_def(
        {"x": edit.build_tensor_info("x", np.float32, (None, 2))},
        {"y": edit.build_tensor_info("y", np.float32, (None, 2))},
    )


def save_linear(folder: Path, values: Mapping[str, Array] | None = None) -> Path:
    """Build and save `linear`."""
    builder = edit.SavedModelBuilder(folder)
    builder.add_meta_graph_and_variables(
        linear(),
        values or {"w": W, "b": B, "unused": np.array(1, np.float32)},
        ["serve"],
        signature_def_map={"serving_default": linear_signature()},
    )
    return builder.save()


def answer(
    folder: Path,
    inputs: Mapping[str, Array],
    signature: str = "serving_default",
    tags: Collection[str] = ("serve",),
) -> dict[str, Array]:
    """What the native engine answers, without islands."""
    loader = SavedModelLoader(folder, tags=tuple(tags), backend=NullBackend(lambda _: False))
    loader.load()
    servable = loader.servable()
    return servable.run(signature, inputs, list(servable.signatures[signature].outputs))
