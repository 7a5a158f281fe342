"""`servable predict` against a running server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from servable.cli.main import main
from servable.server.assemble import Server
from servable.tensors import Array

Ask = Callable[..., Result]


@pytest.fixture(params=["grpc", "rest"])
def ask(request: pytest.FixtureRequest, server: Server) -> Ask:
    """Run `servable predict` on one of the server's ports; the protocol is found out."""
    port = server.grpc_port if request.param == "grpc" else server.rest_port

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["predict", f"127.0.0.1:{port}", *arguments])

    return run


def scores(result: Result) -> Array:
    assert result.exit_code == 0, result.output
    return np.array(json.loads(result.stdout)["outputs"]["probabilities"])


def test_json_is_answered_with_json(ask: Ask, images: Array, expected: dict[int, Array]) -> None:
    value = json.dumps(images[:2].tolist())

    answer = scores(ask("digits", "--input", f"image={value}", "--version", "1"))

    np.testing.assert_allclose(answer, expected[1][:2], rtol=1e-4, atol=1e-5)


def test_a_numpy_file_is_sent(
    ask: Ask, images: Array, expected: dict[int, Array], tmp_path: Path
) -> None:
    np.save(tmp_path / "images.npy", images[:3].astype(np.float64))

    answer = scores(ask("digits", "--input", f"image=@{tmp_path / 'images.npy'}"))

    np.testing.assert_allclose(answer, expected[2][:3], rtol=1e-4, atol=1e-5)


def test_a_png_is_recognised(ask: Ask, images: Array, tmp_path: Path) -> None:
    levels = (images[0, :, :, 0] * 255).round().astype(np.uint8)
    path = tmp_path / "digit.png"
    Image.fromarray(levels).resize((64, 64), Image.Resampling.NEAREST).save(path)

    answer = scores(ask("digits", "--input", str(path)))

    assert answer.shape == (1, 10)
    assert answer.argmax() == np.argmax(
        scores(ask("digits", "--input", json.dumps(images[:1].tolist())))
    )


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["nope", "--input", "[1]"], 1, "Servable not found for request: Latest(nope)"),
        (["digits", "--input", "[[1.0]]"], 1, ""),
        (["digits"], 1, ""),
        (["digits", "--input", "img=[1]"], 2, "the signature has no input img"),
        (["digits", "--input", "[1"], 2, "is not JSON"),
        (["digits", "--input", "nowhere.png"], 2, "no file nowhere.png"),
        (["digits", "--signature", "nope"], 2, "no signature 'nope'"),
        (["digits", "--output", "nope"], 2, "the signature has no output nope"),
    ],
)
def test_what_goes_wrong_is_a_line_and_a_hint(
    ask: Ask, arguments: list[str], code: int, complaint: str
) -> None:
    result = ask(*arguments)

    assert result.exit_code == code
    assert result.stdout == ""
    error, *hint = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert complaint in error
    assert hint[-1].startswith("hint: ")


def test_a_server_that_is_not_there_is_said() -> None:
    result = CliRunner().invoke(main, ["predict", "127.0.0.1:9", "digits", "--input", "[1]"])

    assert result.exit_code == 1
    assert "cannot reach 127.0.0.1:9" in result.stderr
