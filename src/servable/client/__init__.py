"""Small clients for the predict API: numpy in, numpy out, no TensorFlow.

    from servable.client import GrpcClient

    with GrpcClient("localhost:8500") as client:
        answer = client.predict("digits", {"image": images})
        answer.outputs["probabilities"]

They work with this server and with TensorFlow Serving. Failures are raised as
the classes of `servable.errors`.
"""

from servable.client.api import Client, Metadata, Prediction, VersionState
from servable.client.grpc import GrpcClient
from servable.client.probe import connect
from servable.client.rest import RestClient

__all__ = [
    "Client",
    "GrpcClient",
    "Metadata",
    "Prediction",
    "RestClient",
    "VersionState",
    "connect",
]
