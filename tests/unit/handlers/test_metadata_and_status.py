"""What can be asked about models without running them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from served_models import FakeModels, FakeStatus, half_plus_two

from servable.contracts import ModelSpec, ServableId
from servable.errors import DataLoss, InvalidArgument, NotFound, ServableError
from servable.handlers.metadata import get_metadata
from servable.handlers.status import get_status, list_models


@pytest.fixture
def models() -> FakeModels:
    models = FakeModels({"m": {1: half_plus_two(), 2: half_plus_two()}})
    models.statuses["loading"] = [FakeStatus(ServableId("loading", 4), "LOADING")]
    models.statuses["broken"] = [
        FakeStatus(ServableId("broken", 7), "END", DataLoss("checksum of shard 0"))
    ]
    return models


def test_metadata_gives_all_signatures_and_the_version(models: FakeModels) -> None:
    answer = get_metadata(models, ModelSpec("m"), ["signature_def", "signature_def"])

    assert answer.id == ServableId("m", 2)
    assert list(answer.signatures) == ["serving_default"]
    assert models.handles[0].returned


@pytest.mark.parametrize(
    ("spec", "fields", "kind", "message"),
    [
        (None, [], InvalidArgument, "Missing ModelSpec"),
        (
            ModelSpec(""),
            [],
            InvalidArgument,
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            ModelSpec("nope"),
            ["signature_def", "other"],
            InvalidArgument,
            "Metadata field other is not supported",
        ),
        (
            ModelSpec(""),
            ["signature_def"],
            InvalidArgument,
            "ModelSpec has no name specified.",
        ),
        (
            ModelSpec("nope"),
            ["signature_def"],
            NotFound,
            "Servable not found for request: Latest(nope)",
        ),
        (
            ModelSpec("m", label="x"),
            ["signature_def"],
            InvalidArgument,
            "Unrecognized servable version label: x",
        ),
    ],
)
def test_metadata_that_is_refused(
    models: FakeModels,
    spec: ModelSpec | None,
    fields: Sequence[str],
    kind: type[ServableError],
    message: str,
) -> None:
    with pytest.raises(kind) as caught:
        get_metadata(models, spec, fields)
    assert caught.value.message == message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("spec", "versions"),
    [
        (ModelSpec("m"), [2, 1]),
        (ModelSpec("m", version=1), [1]),
        (ModelSpec("m", label="no such label"), [2, 1]),
    ],
)
def test_status_is_highest_version_first_and_ignores_labels(
    models: FakeModels, spec: ModelSpec, versions: list[int]
) -> None:
    assert [status.id.version for status in get_status(models, spec)] == versions


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        (None, InvalidArgument, "Missing ModelSpec"),
        (ModelSpec(""), NotFound, "Could not find any versions of model "),
        (ModelSpec("nope"), NotFound, "Could not find any versions of model nope"),
        (ModelSpec("m", version=9), NotFound, "Could not find version 9 of model m"),
    ],
)
def test_status_that_is_refused(
    models: FakeModels, spec: ModelSpec | None, kind: type[ServableError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        get_status(models, spec)
    assert caught.value.message == message
    assert caught.value.hint


def test_models_are_listed_by_name(models: FakeModels) -> None:
    listed = list_models(models)
    assert {name: [s.id.version for s in statuses] for name, statuses in listed.items()} == {
        "broken": [7],
        "loading": [4],
        "m": [2, 1],
    }


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("loading", "version 4 is LOADING"),
        ("broken", "version 7 is END (DATA_LOSS: checksum of shard 0)"),
        ("lodging", 'Did you mean "loading"?'),
        ("zzzzzzzz", "Models here: broken, loading, m."),
    ],
)
def test_hints_say_what_became_of_a_version(models: FakeModels, name: str, part: str) -> None:
    with pytest.raises(NotFound) as caught:
        get_metadata(models, ModelSpec(name), ["signature_def"])
    assert part in caught.value.hint


def test_a_server_without_models_says_so() -> None:
    with pytest.raises(NotFound) as caught:
        get_status(FakeModels({}), ModelSpec("m"))
    assert caught.value.hint == "This server has no model yet."
