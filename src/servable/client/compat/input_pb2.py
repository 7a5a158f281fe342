"""The messages of tensorflow_serving.apis.input_pb2."""

from servable.pb.inference_pb2 import (
    ExampleList,
    ExampleListWithContext,
    Input,
)

__all__ = [
    "ExampleList",
    "ExampleListWithContext",
    "Input",
]
