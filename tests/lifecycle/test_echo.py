"""The toy servable."""

from __future__ import annotations

import numpy as np
import pytest

from servable.contracts import Servable
from servable.errors import FailedPrecondition
from servable.servables.echo import Echo, EchoLoader
from servable.tensors import INT64, STRING, Signature, TensorSpec


def test_the_default_echo_takes_floats_of_any_shape_and_gives_them_back() -> None:
    echo = Echo()
    assert isinstance(echo, Servable)
    assert (
        str(echo.signatures["serving_default"]) == "(x: float, any shape) -> (x: float, any shape)"
    )
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert echo.run("serving_default", {"x": x}, ["x"])["x"] is x


def test_an_echo_of_many_inputs_answers_what_is_fetched() -> None:
    side = {"n": TensorSpec("n:0", INT64, ()), "s": TensorSpec("s:0", STRING, (None,))}
    loader = EchoLoader({"both": Signature(side, side)})
    loader.load()
    inputs = {"n": np.int64(3) + np.zeros((), np.int64), "s": np.array([b"a"], object)}
    answer = loader.servable().run("both", inputs, ["s"])
    assert list(answer) == ["s"]
    assert answer["s"].tolist() == [b"a"]


def test_there_is_no_echo_before_loading_and_none_after_unloading() -> None:
    loader = EchoLoader()
    with pytest.raises(FailedPrecondition):
        loader.servable()
    loader.load()
    loader.unload()
    with pytest.raises(FailedPrecondition):
        loader.servable()
    assert loader.estimate_resources() == 0
