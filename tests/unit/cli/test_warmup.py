"""`servable warmup`: which requests are taken from logs, what is made up, and what is shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from servable import tensor_proto
from servable.cli.main import main
from servable.contracts import ServableId
from servable.pb import inference_pb2, logs_pb2
from servable.recording import tfrecord
from servable.recording.making import make_up, record
from servable.recording.prediction_log import Kind, kind_of, parse
from servable.recording.warmup import WARMUP_FILE
from servable.tensors import FLOAT, RESOURCE, STRING, Signature, TensorSpec

DATA = Path(__file__).parents[2] / "data" / "models"


def warmup(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["warmup", *map(str, arguments)])


def predict_log(rows: int, model: str = "m", signature: str = "") -> bytes:
    log = logs_pb2.PredictionLog()
    log.log_metadata.timestamp_secs = 77
    request = log.predict_log.request
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(tensor_proto.encode(np.zeros((rows, 2), np.float32)))
    log.predict_log.response.model_spec.name = model
    return log.SerializeToString()


def session_log() -> bytes:
    log = logs_pb2.PredictionLog()
    log.session_run_log.SetInParent()
    return log.SerializeToString()


def written(path: Path, records: Sequence[bytes]) -> Path:
    tfrecord.write(path, iter(records))
    return path


def stored(version: Path) -> list[logs_pb2.PredictionLog]:
    return [parse(data) for data in tfrecord.read(version / WARMUP_FILE)]


@pytest.fixture
def version(tmp_path: Path) -> Path:
    (tmp_path / "1").mkdir()
    return tmp_path / "1"


def rows(log: logs_pb2.PredictionLog) -> int:
    return log.predict_log.request.inputs["x"].tensor_shape.dim[0].size


LOGGED = [
    *(predict_log(1), predict_log(1), session_log(), b"\xff junk", predict_log(8)),
    *(predict_log(3, model="other"), predict_log(1, signature="s"), predict_log(8)),
]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [1, 8, 3, 1]),
        (["--model", "m"], [1, 8, 1]),
        (["--model", "m", "--most", 2], [1, 8]),
        (["--every"], [1, 1, 8, 3, 1, 8]),
        (["--every", "--most", 3], [1, 1, 8]),
    ],
)
def test_one_request_of_each_form_is_taken_from_a_log(
    tmp_path: Path, version: Path, options: list[object], expected: list[int]
) -> None:
    log = written(tmp_path / "log", LOGGED)
    result = warmup("record", version, log, *options)
    assert result.output == f"{len(expected)} requests in {version / WARMUP_FILE}\n"
    assert [rows(log) for log in stored(version)] == expected
    for record_ in stored(version):
        assert not record_.HasField("log_metadata")
        assert not record_.predict_log.HasField("response")


def test_logs_are_files_folders_and_prefixes_also_of_a_server_that_runs(
    tmp_path: Path, version: Path
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    written(folder / "m-20260101T000000Z-000001.tfrecord", [predict_log(1)])
    written(folder / "m-20260102T000000Z-000002.tfrecord.part", [predict_log(2)])
    written(folder / "n-20260102T000000Z-000001.tfrecord", [predict_log(3)])
    written(folder / "notes", [predict_log(4)])
    for logs, expected in (
        ([folder], [1, 2, 3]),
        ([folder / "m"], [1, 2]),
        ([folder / "notes", folder / "n"], [4, 3]),
    ):
        assert warmup("record", version, *logs, "--force").exit_code == 0
        assert [rows(log) for log in stored(version)] == expected


def test_a_warmup_file_is_not_replaced_unless_asked(tmp_path: Path, version: Path) -> None:
    log = written(tmp_path / "log", [predict_log(1)])
    assert warmup("record", version.parent, log).exit_code == 0
    assert "float [1, 2]" in warmup("show", version.parent).stdout
    again = warmup("record", version, log)
    assert again.exit_code == 1
    assert "exists" in again.stderr
    assert "--force replaces it" in again.stderr


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        ([], 1, "nothing in 1 files can be replayed"),
        ([session_log()], 1, "nothing in 1 files can be replayed"),
        (None, 2, "no log at"),
    ],
)
def test_a_log_without_requests_makes_no_file(
    tmp_path: Path, version: Path, content: list[bytes] | None, code: int, text: str
) -> None:
    if content is not None:
        written(tmp_path / "log", content)
    result = warmup("record", version, tmp_path / "log")
    assert result.exit_code == code
    assert text in result.stderr
    assert not (version / WARMUP_FILE).exists()


def test_what_a_file_holds_is_shown_to_people_and_to_machines(tmp_path: Path) -> None:
    log = written(tmp_path / "log", [predict_log(4), session_log(), b"\xff"])
    shown = warmup("show", log)
    assert shown.exit_code == 0
    for told in ("predict", "serving_default", "x: float [4, 2]", "session_run", "not replayed"):
        assert told in shown.stdout.replace("no request of this kind is replayed", "not replayed")
    first, second, third = json.loads(warmup("show", log, "--json").stdout)["records"]
    assert first == {
        "file": str(log),
        "kind": "predict",
        "model": "m",
        "signature": "",
        "inputs": {"x": "float [4, 2]"},
        "bytes": len(predict_log(4)),
        "logged_at": 77,
        "problem": "",
    }
    assert second["kind"] == "session_run"
    assert third["problem"].startswith("The record is no PredictionLog")


def test_what_is_before_the_damage_is_shown_and_the_damage_is_told(tmp_path: Path) -> None:
    log = written(tmp_path / "log", [predict_log(4)])
    log.write_bytes(log.read_bytes() + b"cut")
    result = warmup("show", log, "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["records"]) == 1
    assert "truncated record at" in result.stderr


def test_a_file_is_made_of_given_values(tmp_path: Path) -> None:
    path = tmp_path / "m"
    shutil.copytree(DATA / "tf1_half_plus_two", path)
    assert warmup("make", path, "--input", "x=[1.0, 5.0]").exit_code == 0
    (log,) = stored(path)
    fed = tensor_proto.decode(log.predict_log.request.inputs["x"])
    assert fed.tolist() == [1.0, 5.0]
    refused = warmup("make", path, "--signature", "none", "--force")
    assert refused.exit_code == 2
    assert "no signature 'none'" in refused.stderr
    wrong = warmup("make", path, "--input", "z=[1.0]", "--force")
    assert wrong.exit_code == 2
    assert stored(path) == [log]


def test_made_up_examples_have_the_features_that_the_model_reads() -> None:
    features = {"age": TensorSpec("", FLOAT, ()), "name": TensorSpec("", STRING, ())}
    signature = Signature(
        {"inputs": TensorSpec("i:0", STRING, (None,))},
        {"outputs": TensorSpec("o:0", FLOAT, (None,))},
        method_name="tensorflow/serving/regress",
        features=features,
    )
    inputs = make_up("r", signature, 3)
    log = parse(record(ServableId("m", 1), "r", signature, inputs))
    assert kind_of(log) is Kind.REGRESS
    request = log.regress_log.request
    assert isinstance(request, inference_pb2.RegressionRequest)
    examples = request.input.example_list.examples
    assert [sorted(example.features.feature) for example in examples] == [["age", "name"]] * 3


def test_values_that_can_not_be_made_up_are_asked_for() -> None:
    from servable.errors import FailedPrecondition

    signature = Signature({"r": TensorSpec("r:0", RESOURCE, None)}, {})
    with pytest.raises(FailedPrecondition) as error:
        make_up("s", signature, 1)
    assert "--input" in error.value.hint
