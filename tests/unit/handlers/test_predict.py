"""Predict without any transport: what is checked, in which order, and what is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest
from served_models import FakeModels, FakeServable, half_plus_two, spec

from servable import tensors
from servable.contracts import ModelSpec
from servable.errors import (
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    ServableError,
    UnknownError,
)
from servable.handlers.predict import PredictCall, predict, signature_to_decode_with
from servable.tensors import Array, DType, Signature

X = np.array([1, 2, 5], np.float32)


@pytest.fixture
def models() -> FakeModels:
    return FakeModels({"half_plus_two": {122: half_plus_two(), 123: half_plus_two()}})


def call(
    inputs: Mapping[str, Array] | None = None,
    output_filter: Sequence[str] = (),
    **fields: object,
) -> PredictCall:
    model_spec = ModelSpec(**({"name": "half_plus_two"} | fields))  # type: ignore[arg-type]  # by name
    return PredictCall(model_spec, {"x": X} if inputs is None else inputs, output_filter)


def refusal(models: FakeModels, call: PredictCall) -> ServableError:
    with pytest.raises(ServableError) as caught:
        predict(models, call)
    assert all(handle.returned for handle in models.handles)
    return caught.value


def test_the_newest_version_answers_and_says_so(models: FakeModels) -> None:
    answer = predict(models, call())

    assert (answer.id.name, answer.id.version) == ("half_plus_two", 123)
    assert answer.signature_name == "serving_default"
    assert answer.outputs["y"].tolist() == [2.5, 3.0, 4.5]
    assert models.handles[0].returned


def test_a_named_version_answers(models: FakeModels) -> None:
    assert predict(models, call(version=122)).id.version == 122


def test_the_signatures_shape_is_not_enforced(models: FakeModels) -> None:
    for shape in ((), (1, 1, 2), (0, 7)):
        answer = predict(models, call({"x": np.zeros(shape, np.float32)}))
        assert answer.outputs["y"].shape == shape


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        (PredictCall(None, {}), InvalidArgument, "Missing ModelSpec"),
        (call(name=""), InvalidArgument, "ModelSpec has no name specified."),
        (call(name="", label="x"), InvalidArgument, "ModelSpec has no name specified."),
        (call(name="nope"), NotFound, "Servable not found for request: Latest(nope)"),
        (
            call(version=9),
            NotFound,
            "Servable not found for request: Specific(half_plus_two, 9)",
        ),
        (
            call(version=0),
            NotFound,
            "Servable not found for request: Specific(half_plus_two, 0)",
        ),
        (call(label="prod"), InvalidArgument, "Unrecognized servable version label: prod"),
        (call(label=""), InvalidArgument, "Unrecognized servable version label: "),
        (
            call(name="nope", label="prod"),
            InvalidArgument,
            "Unrecognized servable version label: prod",
        ),
        (
            call(name="nope", inputs={}, signature_name="foo"),
            NotFound,
            "Servable not found for request: Latest(nope)",
        ),
        (
            call(signature_name="foo", inputs={}),
            FailedPrecondition,
            'Serving signature key "foo" not found.',
        ),
        (
            call({}),
            InvalidArgument,
            "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. "
            "Missing but required: {x}.",
        ),
        (
            call({"unknown_key2": X, "unknown_key1": X}),
            InvalidArgument,
            "input size does not match signature: 2!=1 len({unknown_key1,unknown_key2}) != "
            "len({x}). Sent extra: {unknown_key1,unknown_key2}. Missing but required: {x}.",
        ),
        (
            call({"z": X}),
            InvalidArgument,
            "Signature input alias: x(feed name: x:0) not found in request and no default value "
            "provided. Inputs expected to be in the request {x}, or default input alias set: {}",
        ),
        (
            call(output_filter=["y", "output_filter"]),
            InvalidArgument,
            "output tensor alias not found in signature: output_filter Outputs expected to be in "
            "the set {y}.",
        ),
        (
            call(output_filter=["y", "y"]),
            InvalidArgument,
            "duplicate output tensor alias: y",
        ),
        (
            call({"x": X.astype(np.bool_)}),
            InvalidArgument,
            "Expects arg[0] to be float but bool is provided",
        ),
        (
            call({"x": np.array([b"a"], object)}),
            InvalidArgument,
            "Expects arg[0] to be float but string is provided",
        ),
        (
            call({"x": X.astype(np.int64)}, output_filter=["z"]),
            InvalidArgument,
            "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
        ),
    ],
)
def test_requests_that_are_refused(
    models: FakeModels, request_: PredictCall, kind: type[ServableError], message: str
) -> None:
    error = refusal(models, request_)
    assert (type(error), error.message) == (kind, message)
    assert error.hint, "whoever reads it must learn what to do"


@pytest.mark.parametrize(
    ("request_", "parts"),
    [
        (call(name="half_plus_to"), ['Did you mean "half_plus_two"?', "Models here:"]),
        (call(name="HALF_PLUS_TWO"), ['Did you mean "half_plus_two"?']),
        (call(version=9), ["that are ready: 123, 122"]),
        (call(label="prod"), ["No version has this label", "123, 122"]),
        (
            call(signature_name="serving_defalt"),
            ['Did you mean "serving_default"?', "x: float [?]"],
        ),
        (call({"X": X}), ['Did you mean "x"?', "x: float [?]", "returns y"]),
        (call(output_filter=["Y"]), ['Did you mean "y"?']),
        (call({"x": X.astype(np.int32)}), ["x: float [?]"]),
    ],
)
def test_hints_name_what_there_is_and_the_closest_spelling(
    models: FakeModels, request_: PredictCall, parts: Sequence[str]
) -> None:
    hint = refusal(models, request_).hint
    for part in parts:
        assert part in hint


# A model with several inputs, defaults among them

A, B = np.zeros(2, np.int32), np.zeros(2, np.float32)


def adder(defaults: Mapping[str, Array] | None = None) -> FakeModels:
    signature = Signature(
        # The names sort the other way round than the aliases.
        {"a": spec("z:0", tensors.INT32), "b": spec("y:0"), "c": spec("x:0", None)},
        {"p": spec("p:0"), "q": spec("q:0")},
        defaults=defaults or {},
    )
    outputs = {"p": np.ones(1), "q": np.zeros(1)}
    return FakeModels({"m": {1: FakeServable({"serving_default": signature}, lambda _: outputs)}})


def test_outputs_come_in_the_order_they_were_asked_for() -> None:
    inputs = {"a": A, "b": B, "c": B}
    for output_filter in (["q", "p"], ["p"], ["q"]):
        answer = predict(adder(), PredictCall(ModelSpec("m"), inputs, output_filter))
        assert list(answer.outputs) == output_filter
    assert list(predict(adder(), PredictCall(ModelSpec("m"), inputs)).outputs) == ["p", "q"]


def test_an_input_with_a_default_may_be_left_out() -> None:
    models = adder({"b": B + 7})
    predict(models, PredictCall(ModelSpec("m"), {"a": A, "c": B}))

    servable = models.models["m"][1]
    assert isinstance(servable, FakeServable)
    [fed] = servable.fed
    assert sorted(fed) == ["a", "b", "c"]
    assert fed["b"].tolist() == [7, 7]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"a": A},
            "Signature input alias: c(feed name: x:0) not found in request and no default value "
            "provided. Inputs expected to be in the request {a,b,c}, or default input alias set: "
            "{b}",
        ),
        (
            {"a": A, "c": B, "d": B},
            "Inputs contains invalid name. Used request inputs: {a,c}, request input: {a,c,d}",
        ),
        (
            {"a": A, "b": B, "c": B, "d": B},
            "input size does not match signature: 4!=3 len({a,b,c,d}) != len({a,b,c}). "
            "Sent extra: {d}. Missing but required: {}.",
        ),
    ],
)
def test_wrong_names_beside_defaults(inputs: Mapping[str, Array], message: str) -> None:
    assert refusal(adder({"b": B}), PredictCall(ModelSpec("m"), inputs)).message == message


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (A.astype(np.int64), B, "Expects arg[2] to be int32 but int64 is provided"),
        (A, B.astype(np.float16), "Expects arg[1] to be float but half is provided"),
        (A.astype(np.int64), B > 0, "Expects arg[1] to be float but bool is provided"),
    ],
)
def test_arguments_are_numbered_by_the_fed_tensors_names(a: Array, b: Array, message: str) -> None:
    inputs = {"a": a, "b": b, "c": np.zeros(1, np.complex64)}
    assert refusal(adder(), PredictCall(ModelSpec("m"), inputs)).message == message


DTYPES = [d for d in tensors.DTYPES if d.field]


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
def test_each_dtype_fits_itself_and_no_other(dtype: DType) -> None:
    side = {"x": spec("x:0", dtype)}
    models = FakeModels({"m": {1: FakeServable({"serving_default": Signature(side, side)}, dict)}})
    assert predict(models, PredictCall(ModelSpec("m"), {"x": np.zeros(1, dtype.numpy)}))
    for other in DTYPES:
        if other.numpy != dtype.numpy:
            call = PredictCall(ModelSpec("m"), {"x": np.zeros(1, other.numpy)})
            assert refusal(models, call).message.startswith(f"Expects arg[0] to be {dtype} but ")


class Undecodable(Mapping[str, Array]):
    """Inputs of which none can be decoded, as a transport may hand them over."""

    def __init__(self, *aliases: str) -> None:
        self.aliases = aliases

    def __getitem__(self, alias: str) -> Array:
        raise InvalidArgument(f"tensor parsing error: {alias}")

    def __contains__(self, alias: object) -> bool:
        return alias in self.aliases

    def __iter__(self) -> Iterator[str]:
        return iter(self.aliases)

    def __len__(self) -> int:
        return len(self.aliases)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (Undecodable("x"), "tensor parsing error: x"),
        (Undecodable("z"), "Signature input alias: x(feed name: x:0) not found"),
        (Undecodable("x", "z"), "input size does not match signature"),
    ],
)
def test_values_are_decoded_only_after_their_names_were_checked(
    models: FakeModels, inputs: Mapping[str, Array], message: str
) -> None:
    error = refusal(models, call(inputs))
    assert error.message.startswith(message)
    assert "x: float [?]" in error.hint


def failing(error: Exception) -> FakeModels:
    def run(_: Mapping[str, Array]) -> Mapping[str, Array]:
        raise error

    return FakeModels({"m": {1: FakeServable(half_plus_two().signatures, run)}})


def test_a_kernels_complaint_passes_with_a_hint() -> None:
    error = refusal(failing(InvalidArgument("bad shape")), PredictCall(ModelSpec("m"), {"x": X}))
    assert error.message == "bad shape"
    assert "x: float [?]" in error.hint


def test_a_fault_of_ours_gets_no_advice() -> None:
    error = refusal(failing(Internal("broken")), PredictCall(ModelSpec("m"), {"x": X}))
    assert (error.message, error.hint) == ("broken", "")


def test_a_servable_that_forgets_an_output_is_reported() -> None:
    servable = FakeServable(half_plus_two().signatures, lambda _: {})
    error = refusal(FakeModels({"m": {1: servable}}), PredictCall(ModelSpec("m"), {"x": X}))
    assert (type(error), error.message) == (UnknownError, "Predict internal error")


def test_a_signature_without_inputs_runs_on_nothing() -> None:
    signature = Signature({}, {"y": spec("y:0")})
    servable = FakeServable({"serving_default": signature}, lambda _: {"y": np.ones(1)})
    answer = predict(FakeModels({"m": {1: servable}}), PredictCall(ModelSpec("m"), {}))
    assert answer.outputs["y"].tolist() == [1]


# Transports that decode by the signature


def test_the_signature_to_decode_with_is_the_one_that_runs(models: FakeModels) -> None:
    with models.acquire("half_plus_two") as handle:
        for name in ("", "serving_default"):
            found = signature_to_decode_with(handle, name)
            assert found is handle.servable.signatures["serving_default"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("foo", 'Serving signature name: "foo" not found in signature def'),
        ("", "Failed to get input map for signature: DEFAULT"),
        ("serving_default", "Failed to get input map for signature: serving_default"),
    ],
)
def test_a_signature_that_nothing_can_be_decoded_with(name: str, message: str) -> None:
    servable = FakeServable({"serving_default": Signature({}, {})}, dict)
    with (
        FakeModels({"m": {1: servable}}).acquire("m") as handle,
        pytest.raises(InvalidArgument) as caught,
    ):
        signature_to_decode_with(handle, name)
    assert caught.value.message == message
    assert caught.value.hint


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("method", ["predict", "classify", "regress", "mystery", ""])
def test_method_names_are_looked_at_only_if_the_server_is_told_to(method: str, check: bool) -> None:
    name = method and f"tensorflow/serving/{method}"
    side = {"x": spec("x:0")}
    servable = FakeServable({"serving_default": Signature(side, side, method_name=name)}, dict)
    models = FakeModels({"half_plus_two": {1: servable}})
    if check and method in ("mystery", ""):
        with pytest.raises(Internal) as caught:
            predict(models, call(), check_method_name=True)
        assert caught.value.message == (
            "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
            f"tensorflow/serving/classify, tensorflow/serving/regress}}. Was: {name}"
        )
        assert not servable.fed
    else:
        assert predict(models, call(), check_method_name=check).outputs["x"] is X
