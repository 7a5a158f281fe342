"""What client scripts take from `tensorflow` itself, under the names it has there."""

from types import SimpleNamespace

from servable.client.compat import app, train
from servable.client.tensor_values import make_ndarray, make_tensor_proto
from servable.tensors import BFLOAT16 as bfloat16
from servable.tensors import BOOL as bool
from servable.tensors import COMPLEX64 as complex64
from servable.tensors import COMPLEX128 as complex128
from servable.tensors import DOUBLE as float64
from servable.tensors import FLOAT as float32
from servable.tensors import HALF as float16
from servable.tensors import INT8 as int8
from servable.tensors import INT16 as int16
from servable.tensors import INT32 as int32
from servable.tensors import INT64 as int64
from servable.tensors import STRING as string
from servable.tensors import UINT8 as uint8
from servable.tensors import UINT16 as uint16
from servable.tensors import UINT32 as uint32
from servable.tensors import UINT64 as uint64

compat = SimpleNamespace(v1=SimpleNamespace(app=app, train=train))
"""What scripts reach as `tf.compat.v1`: flags and `app.run`."""

__all__ = [
    "bfloat16",
    "bool",
    "compat",
    "complex64",
    "complex128",
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "make_ndarray",
    "make_tensor_proto",
    "string",
    "train",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]
