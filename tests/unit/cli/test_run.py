"""`servable run`: inputs of each kind, printed and written outputs, and refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from servable.cli.main import main

MODELS = Path(__file__).parents[2] / "data" / "models"


def run(model: str, *arguments: object, key: str = "serving_default") -> Result:
    fixed = ["--dir", str(MODELS / model), "--tag_set", "serve", "--signature_def", key]
    return CliRunner().invoke(main, ["run", *fixed, *map(str, arguments)])


def test_expressions_are_cast_to_the_signature_and_outputs_printed_by_name() -> None:
    done = run("tf1_half_plus_two", "--input_exprs", "x=[[1], [2]]")
    assert (done.exit_code, done.output) == (0, "Result for output key y:\n[[2.5]\n [3. ]]\n")


def test_examples_are_written_as_dictionaries() -> None:
    done = run(
        "tf1_inference",
        "--input_examples",
        "inputs=[{'x': [4.0]}, {'x': [6.0]}]",
        key="regress_x_to_y",
    )
    assert done.output == "Result for output key outputs:\n[[4.]\n [5.]]\n"


def test_files_are_read_and_several_inputs_separated_by_semicolons(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3.0).reshape(1, 3))
    np.savez(tmp_path / "s.npz", other=np.float32(9), scale=np.float64(3))
    done = run("tf2_dtypes", "--inputs", f"x={tmp_path}/x.npy;scale={tmp_path}/s.npz[scale]")
    plain = run("tf2_dtypes", "--input_exprs", "x=np.arange(3.0).reshape(1, 3); scale=3")
    assert done.exit_code == 0
    assert done.output == plain.output


def test_a_signature_without_inputs_is_run_without_any() -> None:
    done = run("tf1_half_plus_two", key="count")
    assert (done.exit_code, done.output) == (0, "Result for output key after:\n1\n")
    assert run("tf1_half_plus_two", key="nowhere").exit_code == 2


def test_an_expression_counts_more_than_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 1)))
    done = run("tf1_half_plus_two", "--inputs", f"x={tmp_path}/x.npy", "--input_exprs", "x=[[8.0]]")
    assert "6." in done.output


def test_outputs_are_written_and_never_replaced_unasked(tmp_path: Path) -> None:
    arguments = ("--input_exprs", "words=['red', 'none']", "--outdir", tmp_path / "out")
    done = run("tf2_dtypes", *arguments, key="lookup")
    assert done.output.splitlines()[2] == f"Output ids is saved to {tmp_path}/out/ids.npy"
    assert np.load(tmp_path / "out" / "ids.npy").tolist() == [0, -1]
    assert np.load(tmp_path / "out" / "words.npy").tolist() == [b"red", b"none"]
    again = run("tf2_dtypes", *arguments, key="lookup")
    assert again.exit_code == 1
    assert 'Add "--overwrite"' in again.output
    assert run("tf2_dtypes", *arguments, "--overwrite", key="lookup").exit_code == 0


def test_strings_from_files_go_in_as_strings(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array([b"blue", b"red"]))
    done = run("tf2_dtypes", "--inputs", f"words={tmp_path}/words.npy", key="lookup")
    assert "[2 0]" in done.output


def pickled(folder: Path) -> str:
    np.save(folder / "p.npy", np.array([{"a": 1}], object), allow_pickle=True)
    return f"x={folder}/p.npy"


def cut_off(folder: Path) -> str:
    np.save(folder / "c.npy", np.ones(9))
    (folder / "c.npy").write_bytes((folder / "c.npy").read_bytes()[:-9])
    return f"x={folder}/c.npy"


def several(folder: Path) -> str:
    np.savez(folder / "s.npz", a=np.ones(1), b=np.ones(1))
    return f"x={folder}/s.npz"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (pickled, "Pickles are refused"),
        (cut_off, "no .npy or .npz file"),
        (several, "more than one ndarrays"),
        (lambda folder: several(folder) + "[c]", 'variable with name "c"'),
        (lambda folder: f"x={folder}/none.npy", "there is no file"),
        (lambda _: "x", "is not understood"),
        (lambda _: "x=a[b", "is not understood"),
    ],
)
def test_files_that_can_not_be_read_are_refused(tmp_path: Path, make: object, text: str) -> None:
    assert callable(make)
    done = run("tf1_half_plus_two", "--inputs", make(tmp_path))
    assert done.exit_code == 2
    assert text in done.output


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "At least one of --inputs"),
        (("--input_exprs", "q=1"), 2, '"q" is not a valid input key. Please choose from "x"'),
        (("--input_exprs", "x=['a']"), 2, "input x: the value is no float"),
        (("--input_exprs", "x=[[1], [1, 2]]"), 2, "input x: the value is no float"),
        (("--input_exprs", "x"), 2, "is not understood"),
        (("--input_examples", "x={}"), 2, "a list of dictionaries"),
        (("--input_examples", "x=[{'a': 1}]"), 2, "must be a list"),
        (("--input_examples", "x=[{'a': [1, 'b']}]"), 2, "feature 'a'"),
        (("--input_examples", "x=[{'a': [99999999999999999999]}]"), 2, "feature 'a'"),
        (("--input_examples", "x=[{'a': ['\\ud800']}]"), 2, "feature 'a': "),
        (("--input_examples", "x=[{'\\ud800': [1]}]"), 2, "feature '\\ud800': "),
        (("--input_exprs", "x=0/0"), 2, "division by zero"),
        (("--input_examples", "x=[{'a': [None]}]"), 2, "have no place in a tf.Example"),
    ],
)
def test_what_can_not_work_is_said(arguments: tuple[str, ...], code: int, text: str) -> None:
    done = run("tf1_half_plus_two", *arguments)
    assert done.exit_code == code
    assert text in done.output


def test_a_missing_input_and_a_missing_signature_are_named() -> None:
    done = run("tf2_dtypes", "--input_exprs", "scale=1.0")
    assert done.exit_code == 1
    assert "needs the input x" in done.output
    assert (
        "Please choose from: any_rank, lookup"
        in run("tf2_dtypes", "--input_exprs", "x=1", key="none").output
    )


def test_an_output_name_can_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    model = Path(shutil.copytree(MODELS / "tf1_stateless", tmp_path / "model"))
    text = (model / "saved_model.pbtxt").read_text()
    outputs = text.index("outputs {")
    changed = text[:outputs] + text[outputs:].replace('key: "y"', 'key: "../y"', 1)
    (model / "saved_model.pbtxt").write_text(changed)
    done = run(str(model), "--input_exprs", "x=[[1, 2]]", "--outdir", tmp_path / "out")
    assert done.exit_code == 1
    assert "can not be a file name" in done.output
    assert not (tmp_path / "y.npy").exists()
