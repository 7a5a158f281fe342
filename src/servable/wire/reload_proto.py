"""HandleReloadConfigRequest messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servable.config.models import ModelConfig, read_list
from servable.pb import config_pb2
from servable.wire.spec_proto import parse


def read_request(data: bytes) -> tuple[Sequence[ModelConfig] | None, Sequence[str]]:
    """Return the models that a serialized ReloadConfigRequest lists, and metrics.

    The models are None if it brings no list.

    Raises:
        InvalidArgument: the bytes are no such message, or describe no model.
    """
    request = parse(config_pb2.ReloadConfigRequest, data)
    if request.config.WhichOneof("config") != "model_config_list":
        return None, ()
    return read_list(request.config.model_config_list), tuple(request.metric_names)


def write_response(growth: Mapping[str, int]) -> bytes:
    """Return a serialized ReloadConfigResponse that says all went well."""
    response = config_pb2.ReloadConfigResponse()
    response.status.SetInParent()
    for name, increase in growth.items():
        response.metric.add(name=name, int64_value_increase=increase)
    return response.SerializeToString()
