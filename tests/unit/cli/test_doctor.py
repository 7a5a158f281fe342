"""`servable doctor`: verdict, exit code, and what is shown to people and to machines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from servable.cli.main import main
from servable.demos import digits

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(autouse=True)
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)


def doctor(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["doctor", *map(str, arguments)])


def document(*arguments: object) -> Any:
    return json.loads(doctor(*arguments, "--json").stdout)


def test_a_base_path_stands_for_its_newest_version() -> None:
    found = document(digits.MODELS)
    assert Path(found["path"]) == digits.MODELS / "2"
    assert (found["model"], found["would_serve"], found["engine"]) == ("digits", True, "native")
    signature = found["signatures"]["serving_default"]
    assert signature["inputs"] == {"image": {"dtype": "float", "shape": [None, 8, 8, 1]}}
    assert signature["islands"][0]["ops"]["Conv2D"] == 3
    assert "passes" not in signature


def test_people_get_tables_and_a_verdict() -> None:
    result = doctor(digits.MODELS / "1")
    assert result.exit_code == 0
    for told in (
        "variables.index",
        "signature serving_default",
        "image",
        "MatMul",
        "would be served",
    ):
        assert told in result.stdout
    assert "not compared with TensorFlow, which is not installed" in result.stdout


def test_the_sample_request_is_one_that_the_model_answers() -> None:
    """Rows do not do for this model: one of its outputs is a scalar."""
    found = document(DATA / "models" / "tf1_partitioned")
    sample = found["signatures"]["serving_default"]["sample"]
    assert sample["error"] is None
    assert json.loads(sample["body"]) == {"inputs": [[1.0] * 7]}


def test_trace_shows_the_passes_and_the_plan() -> None:
    signature = document(digits.MODELS / "1", "--trace")["signatures"]["serving_default"]
    assert [p["name"] for p in signature["passes"]].count("fold") == 2
    assert "steps over" in signature["plan"][0]
    assert "resolve references" in doctor(digits.MODELS / "1", "--trace").stdout


def test_a_model_that_would_not_be_served_is_exit_code_1_with_the_reason(tmp_path: Path) -> None:
    result = doctor(tmp_path)
    assert result.exit_code == 1
    assert "would not be served: UNAVAILABLE: INCOMPLETE: saved_model.pb missing" in result.stdout
    found = document(tmp_path)
    assert found["would_serve"] is False
    assert found["error"]["code"] == "UNAVAILABLE"


def test_recorded_answers_are_compared(tmp_path: Path) -> None:
    images, _ = digits.heldout()
    with np.load(DATA / "digits_expected.npz") as recorded:
        wanted = recorded["v2"][:5]
    file = tmp_path / "recorded.npz"
    arrays = {"inputs/image": images[:5], "outputs/probabilities": wanted, "outputs/gone": wanted}
    np.savez(file, **arrays)
    (comparison,) = document(digits.MODELS, "--reference", file)["comparisons"]
    assert comparison["outputs"]["probabilities"]["absolute"] < 1e-5
    assert comparison["outputs"]["gone"]["problem"] == "is not an output of the model"
    assert "against the reference" in doctor(digits.MODELS, "--reference", file).stdout


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["serving_default/inputs/picture"], "the signature's inputs are image"),
        (["other/inputs/image"], "the model has no such signature"),
    ],
)
def test_a_recording_of_something_else_says_so(tmp_path: Path, keys: list[str], told: str) -> None:
    file = tmp_path / "recorded.npz"
    arrays: dict[str, Any] = dict.fromkeys(keys, np.zeros((1, 8, 8, 1), np.float32))
    np.savez(file, **arrays)
    (comparison,) = document(digits.MODELS, "--reference", file)["comparisons"]
    assert comparison["note"] == told


def test_a_recording_that_can_not_be_read_is_a_mistake_in_the_command(tmp_path: Path) -> None:
    for name, content in (("gone.npz", None), ("text.npz", b"not an archive")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        result = doctor(digits.MODELS, "--reference", tmp_path / name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert name in result.stderr
    np.savez(tmp_path / "odd.npz", x=np.zeros(1))
    result = doctor(digits.MODELS, "--reference", tmp_path / "odd.npz")
    assert result.exit_code == 2
    assert "inputs/ALIAS" in result.stderr


def test_tensorflow_as_reference_without_tensorflow_is_said_not_fatal() -> None:
    found = document(digits.MODELS, "--reference", "tensorflow")
    assert found["would_serve"] is True
    assert "servable[tensorflow]" in found["comparison_note"]
