"""The verbs that ask a server, against one with scripted answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from google.protobuf.message import Message
from predict_servers import Answer, grpc_server

from servable.cli.example_values import examples_from
from servable.cli.main import main
from servable.errors import InvalidArgument, NotFound
from servable.pb import config_pb2, error_codes_pb2, framework_pb2, inference_pb2, serving_pb2

Run = Callable[..., Result]


def classify(data: bytes, context: grpc.ServicerContext) -> Message:
    request = inference_pb2.ClassificationRequest.FromString(data)
    if not request.input.example_list.examples:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Input is empty.")
    answer = inference_pb2.ClassificationResponse()
    answer.model_spec.version.value = 7
    for _ in request.input.example_list.examples:
        answer.result.classifications.add().classes.add(label="cat", score=0.2)
    return answer


def regress(data: bytes, _: grpc.ServicerContext) -> Message:
    given = inference_pb2.RegressionRequest.FromString(data).input.example_list_with_context
    shared = given.context.features.feature["c"].float_list.value[0]
    answer = inference_pb2.RegressionResponse()
    answer.model_spec.version.value = 7
    for example in given.examples:
        answer.result.regressions.add(
            value=example.features.feature["x"].float_list.value[0] + shared
        )
    return answer


def status(_: bytes, __: grpc.ServicerContext) -> Message:
    answer = serving_pb2.GetModelStatusResponse()
    states = serving_pb2.ModelVersionStatus.State
    answer.model_version_status.add(version=2, state=states.Value("AVAILABLE"))
    entry = answer.model_version_status.add(version=1, state=states.Value("END"))
    entry.status.error_code = error_codes_pb2.DATA_LOSS
    entry.status.error_message = "a shard is missing, " * 10
    return answer


def metadata(_: bytes, __: grpc.ServicerContext) -> Message:
    stored = serving_pb2.SignatureDefMap()
    tensor = stored.signature_def["serving_default"].inputs["x"]
    tensor.name, tensor.dtype = "x:0", framework_pb2.DT_FLOAT
    tensor.tensor_shape.dim.add(size=-1)
    answer = serving_pb2.GetModelMetadataResponse()
    answer.model_spec.name, answer.model_spec.version.value = "m", 7
    answer.metadata["signature_def"].value = stored.SerializeToString()
    return answer


def reload(data: bytes, _: grpc.ServicerContext) -> Message:
    request = config_pb2.ReloadConfigRequest.FromString(data)
    answer = config_pb2.ReloadConfigResponse()
    for name in request.metric_names:
        answer.metric.add(name=name, int64_value_increase=3)
    return answer


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Run `servable VERB ADDRESS ...`."""
    answers: dict[str, Answer] = {
        "Classify": classify,
        "Regress": regress,
        "GetModelStatus": status,
        "GetModelMetadata": metadata,
        "HandleReloadConfigRequest": reload,
    }
    with grpc_server(answers) as address:

        def invoke(verb: str, *arguments: str) -> Result:
            return CliRunner().invoke(main, [verb, address, *arguments])

        yield invoke


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "models.config"
    file.write_text('model_config_list { config { name: "m" base_path: "/models/m" } }')
    return str(file)


def words(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines() if line.strip(" \u2500")]


def test_classes_are_a_table(run: Run) -> None:
    assert words(run("classify", "m", "--example", '[{"x": 1.0}, {}]')) == [
        ["example", "class", "score"],
        ["0", "cat", "0.2"],
        ["1", "cat", "0.2"],
    ]


def test_classes_are_json_on_demand(run: Run) -> None:
    result = run("classify", "m", "--example", '{"x": 1.0}', "--json")

    assert json.loads(result.stdout) == {"model": "m", "version": 7, "results": [[["cat", 0.2]]]}


def test_a_context_is_sent_with_the_examples(run: Run) -> None:
    arguments = ["--example", '{"x": 1.0}', "--example", '{"x": 2.0}', "--context", '{"c": 0.5}']

    assert words(run("regress", "m", *arguments)) == [
        ["example", "value"],
        ["0", "1.5"],
        ["1", "2.5"],
    ]
    assert json.loads(run("regress", "m", *arguments, "--json").stdout)["results"] == [1.5, 2.5]


def test_every_version_and_the_whole_error_is_shown(run: Run) -> None:
    table = words(run("status", "m"))

    assert table[:2] == [
        ["version", "state", "code", "message"],
        ["2", "AVAILABLE", "OK"],
    ]
    assert " ".join(table[2]).startswith("1 END DATA_LOSS " + "a shard is missing, " * 9)


def test_status_as_json(run: Run) -> None:
    document = json.loads(run("status", "m", "--json").stdout)

    assert [v["state"] for v in document["versions"]] == ["AVAILABLE", "END"]
    assert document["versions"][0] == {
        "version": 2,
        "state": "AVAILABLE",
        "code": "OK",
        "message": "",
    }


def test_signatures_are_shown(run: Run) -> None:
    assert words(run("metadata", "m")) == [
        ["m,", "version", "7"],
        ["signature", "alias", "tensor"],
        ["serving_default", "in", "x", "float", "[?]"],
    ]


def test_signatures_as_json(run: Run) -> None:
    document = json.loads(run("metadata", "m", "--json").stdout)

    signature = document["signatures"]["serving_default"]
    assert signature["inputs"] == {"x": {"dtype": "float", "shape": [None], "name": "x:0"}}


def test_a_reload_names_the_models_and_counters(run: Run, config: str) -> None:
    assert words(run("reload", config, "--metric", "/a")) == [
        ["Serving", "m."],
        ["metric", "increase"],
        ["/a", "3"],
    ]
    document = json.loads(run("reload", config, "--metric", "/a", "--json").stdout)
    assert document == {"models": ["m"], "metrics": {"/a": 3}}


def test_a_file_that_is_no_configuration_is_not_sent(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("models: {")

    result = run("reload", str(tmp_path / "bad"))

    assert result.exit_code == 2
    assert "is no model configuration" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["classify", "m"], 1, "Input is empty."),
        (["classify", "m", "--example", "{"], 2, "is not JSON"),
        (["classify", "m", "--example", "3"], 2, "an example is an object of features"),
        (["classify", "m", "--example", "@nowhere"], 2, "no file nowhere"),
        (["classify", "m", "--example", '{"x": [[1]]}'], 2, "feature x is [[1]]"),
        (["regress", "m", "--example", "{}", "--context", "[{}, {}]"], 2, "one context"),
        (["metadata", "m", "--version", "1", "--label", "a"], 1, "both named"),
        (["status", "m", "--cert", __file__], 2, "only work together"),
    ],
)
def test_what_goes_wrong_is_a_line_on_standard_error(
    run: Run, arguments: list[str], code: int, complaint: str
) -> None:
    result = run(*arguments)

    assert (result.exit_code, result.stdout) == (code, "")
    assert complaint in result.stderr


@pytest.mark.parametrize("verb", ["classify", "regress", "status", "metadata", "predict"])
def test_what_is_no_address_is_refused(verb: str) -> None:
    result = CliRunner().invoke(main, [verb, "localhost", "m"])

    assert result.exit_code == 2
    assert "not an address" in result.stderr


def test_examples_are_read_from_files_and_base64(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"x": 1}, {"x": 2}]')

    values = examples_from([f"@{tmp_path / 'a.json'}", '{"raw": {"b64": "AAE="}}'])

    assert values[:2] == [{"x": [1]}, {"x": [2]}]
    assert values[2]["raw"].tolist() == [b"\x00\x01"]


@pytest.mark.parametrize(
    "text", ['{"x": {"b64": "?"}}', '{"x": {"a": 1}}', '{"x": {"b64": 1}}', '{"x": null}', "[1]"]
)
def test_what_is_no_example_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        examples_from([text])


def test_a_missing_file_is_named() -> None:
    with pytest.raises(NotFound, match="no file nowhere"):
        examples_from(["@nowhere"])
