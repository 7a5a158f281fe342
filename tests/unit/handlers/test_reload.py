"""What a reload request means, and requests that mean nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_models import FakeModels

from servable.config.models import ModelConfig
from servable.errors import Code, InvalidArgument, ServableError, Unimplemented
from servable.handlers.reload import ReloadCall, reload
from servable.pb import config_pb2
from servable.wire import reload_proto


class Town(FakeModels):
    """Models that can be replaced."""

    def __init__(self) -> None:
        super().__init__({})
        self.lists: list[Sequence[ModelConfig]] = []

    def reload(self, configs: Sequence[ModelConfig]) -> None:
        self.lists.append(configs)


def request(*names: str, metrics: Sequence[str] = ()) -> bytes:
    message = config_pb2.ReloadConfigRequest(metric_names=metrics)
    message.config.model_config_list.SetInParent()
    for name in names:
        message.config.model_config_list.config.add(
            name=name, base_path=f"/{name}", model_platform="tensorflow"
        )
    return message.SerializeToString()


def test_the_list_of_a_request_is_served_and_the_answer_has_an_empty_status() -> None:
    town = Town()

    growth = reload(
        town, ReloadCall(*reload_proto.read_request(request("a", "b", metrics=["x", "y", "x"])))
    )
    answer = config_pb2.ReloadConfigResponse.FromString(reload_proto.write_response(growth))

    assert [[(c.name, c.base_path) for c in configs] for configs in town.lists] == [
        [("a", "/a"), ("b", "/b")]
    ]
    assert answer.HasField("status")
    assert answer.status == config_pb2.ReloadConfigResponse().status
    assert [(m.name, m.int64_value_increase) for m in answer.metric] == [("x", 0), ("y", 0)]


def test_the_answer_says_how_much_each_metric_grew_by_the_reload() -> None:
    town = Town()

    def value_of(name: str) -> int:
        return {"loads": 5 + 3 * len(town.lists), "steady": 7}.get(name, 0)

    call = ReloadCall((), ("loads", "steady", "unheard of", "loads"))
    assert reload(town, call, value_of) == {"loads": 3, "steady": 0, "unheard of": 0}


def test_nobody_needs_more_metrics_than_there_are() -> None:
    town = Town()
    with pytest.raises(InvalidArgument, match="metric_names has 101 names"):
        reload(town, ReloadCall((), [f"m{i}" for i in range(101)]))
    assert town.lists == []


def test_an_empty_list_is_a_list() -> None:
    town = Town()
    reload(town, ReloadCall(*reload_proto.read_request(request())))

    assert town.lists == [()]


def _custom() -> bytes:
    message = config_pb2.ReloadConfigRequest()
    message.config.custom_model_config.type_url = "type.googleapis.com/x.Y"
    return message.SerializeToString()


@pytest.mark.parametrize(
    "data",
    [b"", config_pb2.ReloadConfigRequest(config={}).SerializeToString(), _custom()],
    ids=["no config", "nothing set", "custom"],
)
def test_a_request_without_a_list_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument) as caught:
        reload(Town(), ReloadCall(*reload_proto.read_request(data)))

    assert caught.value.message == (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList "
        "is currently supported"
    )


def test_models_that_can_not_be_replaced_say_so() -> None:
    with pytest.raises(Unimplemented):
        reload(FakeModels({}), ReloadCall(()))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    code = Code.OK
    try:
        reload_proto.read_request(data)
    except ServableError as error:
        code = error.code

    assert code in (Code.OK, Code.INVALID_ARGUMENT)
