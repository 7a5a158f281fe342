"""Small clients for the predict API: numpy in, numpy out, no TensorFlow.

    from servable.client import GrpcClient

    with GrpcClient("localhost:8500") as client:
        answer = client.predict("digits", {"image": images})
        answer.outputs["probabilities"]

They work with this server and with TensorFlow Serving. Failures are raised as
the classes of `servable.errors`. `servable.client.compat` has the module names of
`tensorflow-serving-api`.
"""

from servable.client.api import (
    Classification,
    Client,
    Metadata,
    Prediction,
    Regression,
    VersionState,
)
from servable.client.examples import ExampleLike, make_example
from servable.client.grpc import GrpcClient, GrpcFutures
from servable.client.grpc_aio import AsyncGrpcClient
from servable.client.grpc_calls import Task
from servable.client.probe import connect
from servable.client.rest import RestClient
from servable.client.rest_aio import AsyncRestClient
from servable.client.settings import NO_RETRIES, Retries, Tls
from servable.client.tensor_values import make_ndarray, make_tensor_proto

__all__ = [
    "NO_RETRIES",
    "AsyncGrpcClient",
    "AsyncRestClient",
    "Classification",
    "Client",
    "ExampleLike",
    "GrpcClient",
    "GrpcFutures",
    "Metadata",
    "Prediction",
    "Regression",
    "RestClient",
    "Retries",
    "Task",
    "Tls",
    "VersionState",
    "connect",
    "make_example",
    "make_ndarray",
    "make_tensor_proto",
]
