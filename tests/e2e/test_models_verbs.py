"""Single models are added, removed, looked after and labelled while a server runs."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result

from servable.cli.main import main
from servable.pb import config_pb2, oip_pb2
from servable.server.assemble import Server
from servable.server.config import Loading, ServerConfig
from servable.sources.filesystem import WatchedModel
from servable.transport.options import GrpcOptions, RestOptions

HALF = Path(__file__).parents[1] / "data" / "models" / "tf1_half_plus_two"
KEY = "a-key-that-is-long-enough"
PATIENCE = 60.0
POLL_SECONDS = 3600.0
"""So seldom that whatever happens was asked for."""

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """A base path with version 1 of half_plus_two."""
    shutil.copytree(HALF, tmp_path / "half" / "1")
    return tmp_path / "half"


def served(half: Path, **settings: Any) -> Server:
    config = ServerConfig(
        (WatchedModel("half", half),),
        "127.0.0.1",
        grpc_port=0,
        rest_port=0,
        poll_seconds=POLL_SECONDS,
        grpc=GrpcOptions(threads=4),
        rest=RestOptions(threads=4),
        **settings,
    )
    return Server(config)


@pytest.fixture
def server(half: Path) -> Iterator[Server]:
    with served(half) as server:
        assert server.wait_until_settled(PATIENCE)
        yield server


def ask(
    server: Server, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.rest_port}{path}",
        None if body is None else json.dumps(body).encode(),
        headers,
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def run(server: Server, *words: str) -> Result:
    address = f"127.0.0.1:{server.rest_port}"
    return CliRunner().invoke(main, ["models", *words, "--server", address])


def state(server: Server, name: str, version: int = 1) -> str:
    statuses = server.models.status(name, version)
    return statuses[0].state if statuses else "none"


def halve(server: Server, name: str) -> Any:
    status, answer = ask(server, "POST", f"/v1/models/{name}:predict", {"instances": [2.0]})
    return answer["predictions"] if status == 200 else status


def test_a_model_is_added_listed_and_removed(server: Server, half: Path) -> None:
    added = run(server, "add", f"more={half}", "--label", "stable=1", "--json")
    assert added.exit_code == 0, added.output
    (model,) = json.loads(added.stdout)["models"]
    assert model["version_status"] == [{"version": "1", "state": "AVAILABLE"}]
    assert halve(server, "more/labels/stable") == [3.0]

    listed = run(server, "list")
    assert "more" in listed.stdout
    assert "stable" in listed.stdout

    assert run(server, "remove", "half").exit_code == 0
    assert [m.name for m in server.repository.listed()] == ["more"]
    assert halve(server, "more") == [3.0]


def test_a_new_version_is_loaded_when_it_is_asked_for(
    server: Server, half: Path, eventually: Eventually
) -> None:
    shutil.copytree(HALF, half / "2")
    assert run(server, "reload", "half").exit_code == 0
    eventually(lambda: state(server, "half", 2) == "AVAILABLE")


def test_a_version_that_was_mended_is_loaded_when_it_is_asked_for(
    server: Server, tmp_path: Path, eventually: Eventually
) -> None:
    broken = tmp_path / "broken" / "1"
    shutil.copytree(HALF, broken)
    (broken / "saved_model.pb").write_bytes(b"\xff" * 100)
    refused = run(server, "add", f"broken={broken.parent}", "--timeout", "0")
    assert refused.exit_code == 1
    shutil.copy(HALF / "saved_model.pb", broken)
    assert run(server, "reload", "broken").exit_code == 0
    eventually(lambda: state(server, "broken") == "AVAILABLE")


def test_labels_move_together_and_wait_for_their_versions(
    server: Server, half: Path, eventually: Eventually
) -> None:
    assert run(server, "label", "half", "stable=1", "canary=2").exit_code == 0
    assert halve(server, "half/labels/stable") == [3.0]
    assert halve(server, "half/labels/canary") == 400
    shutil.copytree(HALF, half / "2")
    run(server, "reload", "half")
    eventually(lambda: halve(server, "half/labels/canary") == [3.0])
    assert run(server, "label", "half", "stable=2", "--remove", "canary").exit_code == 0
    assert server.models.labels("half") == {"stable": 2}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "", {"name": "half", "base_path": "/models/x"}, 409, "served already"),
        ("POST", "", {"name": "m", "base_path": "relative"}, 400, "absolute path"),
        ("POST", "", {"name": "m"}, 400, '"base_path" must be'),
        ("POST", "", {"name": "m", "base_path": "/x", "versions": "some"}, 400, "which versions"),
        ("POST", "", {"name": "m", "base_path": "/x", "versions": 3}, 400, '"versions" must'),
        ("POST", "", {"name": "m", "base_path": "/x", "platform": "python"}, 400, "platform"),
        ("POST", "", {"name": "m", "base_path": "/x", "labels": {"a": None}}, 400, "no version"),
        ("POST", "", [1], 400, "no JSON object"),
        ("DELETE", "/nothing", None, 404, "no model nothing"),
        ("POST", "/nothing:reload", None, 404, "no model nothing"),
        ("POST", "/nothing/labels", {"a": 1}, 404, "no model nothing"),
        ("POST", "/half/labels", {"a": "1"}, 400, "no version"),
        ("POST", "/half/labels", {"a": True}, 400, "no version"),
        ("POST", "/half/labels", {"a": 2**63}, 400, "no version"),
        ("POST", "/half/labels", {"": 1}, 400, "no version"),
    ],
)
def test_what_can_not_be_done_is_said_and_changes_nothing(
    server: Server, method: str, path: str, body: object, status: int, text: str
) -> None:
    before = ask(server, "GET", "/v1/admin/models")
    code, answer = ask(server, method, f"/v1/admin/models{path}", body)
    assert (code, text in answer["error"]) == (status, True), answer
    assert ask(server, "GET", "/v1/admin/models") == before


def test_the_open_inference_protocol_unloads_and_loads_again(server: Server) -> None:
    server.repository.relabel("half", {"stable": 1})
    assert ask(server, "POST", "/v2/repository/models/half/unload") == (200, {})
    assert halve(server, "half") == 404
    assert ask(server, "POST", "/v2/repository/models/half/load") == (200, {})
    assert halve(server, "half/labels/stable") == [3.0]
    assert ask(server, "POST", "/v2/repository/models/nothing/load")[0] == 404
    assert ask(server, "POST", "/v2/repository/models/nothing/unload")[0] == 404


def test_a_model_that_can_not_be_loaded_says_why(half: Path) -> None:
    with served(half, loading=Loading(max_retries=0)) as server:
        assert server.wait_until_settled(PATIENCE)
        assert ask(server, "POST", "/v2/repository/models/half/unload") == (200, {})
        (half / "1" / "saved_model.pb").write_bytes(b"\xff" * 100)
        code, answer = ask(server, "POST", "/v2/repository/models/half/load")
    assert code == 500
    assert "{name: half version: 1} due to error" in answer["error"]


def call(server: Server, name: str, request: Any, key: str = "") -> grpc.StatusCode:
    metadata = (("authorization", f"Bearer {key}"),) if key else None
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        method = channel.unary_unary(name, lambda message: message.SerializeToString(), bytes)
        try:
            method(request, timeout=PATIENCE, metadata=metadata)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK


UNLOAD = "/inference.GRPCInferenceService/RepositoryModelUnload"
LOAD = "/inference.GRPCInferenceService/RepositoryModelLoad"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"


def test_over_grpc_too(server: Server) -> None:
    unload = oip_pb2.RepositoryModelUnloadRequest(model_name="half")
    assert call(server, UNLOAD, unload) is grpc.StatusCode.OK
    assert halve(server, "half") == 404
    load = oip_pb2.RepositoryModelLoadRequest(model_name="half")
    assert call(server, LOAD, load) is grpc.StatusCode.OK
    assert halve(server, "half") == [3.0]


def test_with_a_key_only_its_bearer_changes_anything(half: Path, tmp_path: Path) -> None:
    unload = oip_pb2.RepositoryModelUnloadRequest(model_name="half")
    nothing = config_pb2.ReloadConfigRequest()
    nothing.config.model_config_list.SetInParent()
    key_file = tmp_path / "key"
    key_file.write_text(KEY + "\n")
    with served(half, admin_key=KEY) as server:
        assert server.wait_until_settled(PATIENCE)
        for method, path in (
            ("GET", "/v1/admin/models"),
            ("DELETE", "/v1/admin/models/half"),
            ("POST", "/v2/repository/models/half/unload"),
        ):
            code, answer = ask(server, method, path)
            assert (code, KEY in str(answer)) == (401, False)
            assert ask(server, method, path, authorization="Bearer of-another-key-")[0] == 401
        assert call(server, UNLOAD, unload) is grpc.StatusCode.UNAUTHENTICATED
        assert call(server, RELOAD, nothing) is grpc.StatusCode.UNAUTHENTICATED
        assert halve(server, "half") == [3.0]
        assert ask(server, "GET", "/v1/admin/models", authorization=f"Bearer {KEY}")[0] == 200
        assert run(server, "list").exit_code == 1
        assert run(server, "list", "--admin-key-file", str(key_file)).exit_code == 0
        assert call(server, UNLOAD, unload, KEY) is grpc.StatusCode.OK


def test_without_a_key_a_web_page_changes_nothing(server: Server) -> None:
    code, answer = ask(server, "DELETE", "/v1/admin/models/half", origin="http://evil.example")
    assert (code, "--admin-key-file" in answer["hint"]) == (403, True)
    assert halve(server, "half") == [3.0]


def test_a_config_file_that_is_read_again_has_the_only_say(half: Path, tmp_path: Path) -> None:
    listed = tmp_path / "models.config"
    listed.write_text(
        "model_config_list { config { name: 'listed' "
        f"base_path: '{half}' model_platform: 'tensorflow' }} }}"
    )
    with served(half, config_file=listed, config_poll_seconds=POLL_SECONDS) as server:
        assert server.wait_until_settled(PATIENCE)
        for words in (
            ["add", f"more={half}"],
            ["remove", "listed"],
            ["label", "listed", "stable=1"],
        ):
            refused = run(server, *words)
            assert refused.exit_code == 1
            assert f"What is served is said by {listed}" in refused.stderr
            assert "Change that file" in refused.stderr
        assert ask(server, "POST", "/v2/repository/models/listed/unload")[0] == 400
        assert run(server, "reload", "listed").exit_code == 0
        assert ask(server, "POST", "/v2/repository/models/listed/load") == (200, {})
        assert {m.name for m in server.repository.listed()} == {"half", "listed"}


@pytest.mark.parametrize(
    "words",
    [["add", "noequals"], ["add", "=x"], ["label", "m"], ["label", "m", "stable"]],
)
def test_what_can_not_work_is_not_sent(words: list[str]) -> None:
    result = CliRunner().invoke(main, ["models", *words, "--server", "127.0.0.1:9"])
    assert result.exit_code == 2


def test_a_server_that_is_not_there_is_named() -> None:
    result = CliRunner().invoke(main, ["models", "list", "--server", "127.0.0.1:9"])
    assert result.exit_code == 1
    assert "127.0.0.1:9 does not answer" in result.stderr


# Traffic


@pytest.fixture
def two(server: Server, half: Path, eventually: Eventually) -> Server:
    """`half` with versions 1, the stable one, and 2."""
    shutil.copytree(HALF, half / "2")
    assert run(server, "remove", "half").exit_code == 0
    added = run(server, "add", f"half={half}", "--versions", "all", "--label", "stable=1")
    assert added.exit_code == 0, added.output
    eventually(lambda: state(server, "half", 1) == state(server, "half", 2) == "AVAILABLE")
    return server


def rules(server: Server) -> Any:
    return ask(server, "GET", "/v1/models/half/traffic")[1]


def test_traffic_is_divided_and_sent_to_the_highest_version_again(two: Server) -> None:
    divided = run(two, "traffic", "half", "stable=3", "2=0")
    assert divided.exit_code == 0, divided.output
    assert [(part.get("label"), part["share"]) for part in rules(two)["split"]] == [
        ("stable", 1.0),
        (None, 0.0),
    ]
    for _ in range(20):
        assert halve(two, "half") == [3.0]
    assert rules(two)["requests"] == {"1": 20}

    assert run(two, "traffic", "half", "--no-split").exit_code == 0
    assert rules(two)["split"] == []


def test_a_shadow_is_set_and_ended_and_the_split_stays(two: Server) -> None:
    assert run(two, "traffic", "half", "2=1").exit_code == 0
    assert run(two, "traffic", "half", "--shadow", "stable", "--percent", "10").exit_code == 0
    told = rules(two)
    assert (told["shadow"]["label"], told["shadow"]["percent"]) == ("stable", 10.0)
    assert len(told["split"]) == 1
    assert run(two, "traffic", "half", "--no-shadow").exit_code == 0
    assert rules(two)["shadow"] is None


def test_a_label_that_waits_for_its_version_may_get_traffic(two: Server) -> None:
    assert run(two, "label", "half", "canary=9").exit_code == 0
    assert run(two, "traffic", "half", "canary=10", "stable=90").exit_code == 0
    assert rules(two)["split"][0] == {
        "label": "canary",
        "weight": 10,
        "now": None,
        "available": False,
        "share": 0.0,
    }


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["half", "canary=10"], 1, 'label "canary" of model half is not given'),
        (["half", "1=0"], 1, "every weight of a split is 0"),
        (["half", "1=5", "1=5"], 1, "names version 1 twice"),
        (["half", "1=9999999"], 1, "from 0 to 1000000"),
        (["nobody", "1=1"], 1, "There is no model nobody"),
        (["half"], 2, "nothing is to be changed"),
        (["half", "1"], 2, "gives no version a weight"),
        (["half", "1=-1"], 2, "gives no version a weight"),
        (["half", "1=1", "--no-split"], 2, "contradicts itself"),
    ],
)
def test_traffic_that_breaks_a_rule_is_refused_and_changes_nothing(
    two: Server, words: list[str], code: int, text: str
) -> None:
    before = rules(two)
    refused = run(two, "traffic", *words)
    assert (refused.exit_code, text in refused.output) == (code, True), refused.output
    assert rules(two) == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"split": 1},
        {"split": [1]},
        {"split": [{"version": 1}]},
        {"split": [{"weight": 1}]},
        {"split": [{"version": "1", "weight": 1}]},
        {"split": [{"version": True, "weight": 1}]},
        {"split": [{"version": 1, "weight": 1.5}]},
        {"split": [{"version": 1, "label": "stable", "weight": 1}]},
        {"split": [{"version": 2**63, "weight": 1}]},
        {"split": [], "shadow": None},
        {"split": [], "sticky": "x"},
        {"shadow": []},
        {"shadow": {}},
        {"shadow": {"version": 1, "percent": 101}},
        {"shadow": {"version": 1, "percent": "10"}},
        {"shadow": {"version": 1, "weight": 10}},
    ],
)
def test_bodies_that_are_no_traffic_are_refused(server: Server, body: object) -> None:
    status, document = ask(server, "POST", "/v1/admin/models/half/traffic", body)
    assert status == 400, document
    assert rules(server)["split"] == []
    assert rules(server)["shadow"] is None


def test_traffic_is_for_those_who_may_change_models(half: Path) -> None:
    with served(half, admin_key=KEY) as server:
        assert server.wait_until_settled(PATIENCE)
        path, body = "/v1/admin/models/half/traffic", {"split": [{"version": 1, "weight": 1}]}
        assert ask(server, "POST", path, body)[0] == 401
        assert rules(server)["split"] == []
        assert ask(server, "POST", path, body, authorization=f"Bearer {KEY}")[0] == 200
        assert len(rules(server)["split"]) == 1
