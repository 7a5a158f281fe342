"""What a `model_config_list` may say, and what it means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from servable.config.models import MAX_LABELS, MAX_MODELS, ModelConfig, check, read_models
from servable.config.text import parse
from servable.errors import (
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    ServableError,
    Unimplemented,
)
from servable.pb import config_pb2
from servable.sources.versions import All, Latest, Specific, VersionPolicy

TYPE = "ModelServerConfig::model_type"
PLATFORM = "ModelServerConfig::model_platform"


def models(text: str, *, first: bool = True) -> tuple[ModelConfig, ...] | None:
    message = parse(config_pb2.ModelServerConfig, text.encode(), "f")
    return read_models(message, first=first)


def listed(text: str) -> str:
    return "model_config_list { config { name: 'm' base_path: '/m' " + text + " } }"


def model(text: str) -> ModelConfig:
    (only,) = models(listed(text)) or ()
    return only


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", Latest(1)),
        ("model_version_policy {}", Latest(1)),
        ("model_version_policy { latest {} }", Latest(1)),
        ("model_version_policy { latest { num_versions: 0 } }", Latest(1)),
        ("model_version_policy { latest { num_versions: 3 } }", Latest(3)),
        ("model_version_policy { all {} }", All()),
        ("model_version_policy { specific {} }", Specific(())),
        (
            "model_version_policy { specific { versions: 43 versions: -1 versions: 43 } }",
            Specific((-1, 43)),
        ),
    ],
)
def test_version_policies(text: str, policy: VersionPolicy) -> None:
    assert model(f"model_platform: 'tensorflow' {text}").policy == policy


def test_labels_are_names_for_versions_and_the_last_of_the_same_name_counts() -> None:
    text = (
        "model_platform: 'tensorflow'"
        "version_labels { key: 'stable' value: 42 } version_labels { key: 'canary' value: 43 }"
        "version_labels { key: 'stable' value: 41 } version_labels { key: '' }"
    )

    assert model(text).labels == {"stable": 41, "canary": 43, "": 0}


@pytest.mark.parametrize("text", ["model_type: TENSORFLOW", "model_platform: 'tensorflow'"])
def test_the_platform_may_be_said_in_two_ways(text: str) -> None:
    assert model(text).platform == "tensorflow"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (
            listed("model_type: TENSORFLOW model_platform: 'tensorflow'"),
            InvalidArgument,
            f"Illegal setting both {TYPE} (deprecated) and {PLATFORM}, model name is m",
        ),
        (
            listed(""),
            InvalidArgument,
            f"Illegal setting neither {TYPE} (deprecated) nor {PLATFORM}, model name is m",
        ),
        (listed("model_type: OTHER"), InvalidArgument, f"{TYPE} choice 2 not supported."),
        (
            listed("model_platform: 'tensorflow' logging_config {}"),
            InvalidArgument,
            "No request-logger-creator provided.",
        ),
        (
            "custom_model_config {}",
            Unimplemented,
            "ModelServer does not yet support custom model config.",
        ),
    ],
)
def test_models_that_are_not_described_as_they_should_be(
    text: str, kind: type[ServableError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        models(text)

    assert caught.value.message == message


def test_a_config_that_says_nothing_is_no_list() -> None:
    assert models("") is None
    assert models("model_config_list {}") == ()


@pytest.mark.parametrize("text", ["", "custom_model_config {}"])
def test_a_list_is_replaced_by_lists_only(text: str) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        models(text, first=False)

    assert caught.value.message == (
        "Cannot transition to requested config. It is only legal to transition from one "
        "ModelConfigList to another."
    )


def absolute(name: str, path: str) -> str:
    return f"Expected model {name} to have an absolute path or URI; got base_path()={path}"


@pytest.mark.parametrize(
    ("configs", "kind", "message"),
    [
        (
            [ModelConfig("m", "/a"), ModelConfig("m", "/b")],
            InvalidArgument,
            "Illegal to list model m multiple times in config list",
        ),
        ([ModelConfig("m", "a/b")], InvalidArgument, absolute("m", "a/b")),
        ([ModelConfig("m", "")], InvalidArgument, absolute("m", "")),
        ([ModelConfig("a", "/a"), ModelConfig("m", "./m")], InvalidArgument, absolute("m", "./m")),
        ([ModelConfig("m", "/a\0b")], InvalidArgument, absolute("m", "/a\0b")),
        (
            [ModelConfig("m", "nowhere://bucket/m")],
            Unimplemented,
            "File system scheme 'nowhere' not implemented (file: 'nowhere://bucket/m')",
        ),
        (
            [ModelConfig(f"m{i}", "/m") for i in range(MAX_MODELS + 1)],
            ResourceExhausted,
            "More than 10000 models are listed.",
        ),
        (
            [ModelConfig("m", "/m", labels={f"l{i}": 1 for i in range(MAX_LABELS + 1)})],
            ResourceExhausted,
            "Model m has more than 1000 labels.",
        ),
        (
            [ModelConfig("old", "/m", "onnx")],
            InvalidArgument,
            "Illegal to change a model's platform. For model old platform was tensorflow and new "
            "platform requested is onnx",
        ),
    ],
)
def test_lists_that_can_not_be_served(
    configs: list[ModelConfig], kind: type[ServableError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        check(configs, running={"old": "tensorflow"})

    assert caught.value.message == message


def test_a_file_uri_is_a_folder_of_this_machine() -> None:
    config = ModelConfig("m", "file:///models/m")

    check([config], running={"m": "tensorflow"})

    assert config.path == Path("/models/m")


def test_the_example_of_the_readme_can_be_served() -> None:
    page = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    (example,) = re.findall(r"^```textproto\n(.*?)^```", page, re.MULTILINE | re.DOTALL)

    configs = models(example) or ()
    check(configs)

    assert [(c.name, c.policy, c.labels) for c in configs] == [
        ("ranker", Latest(2), {"stable": 1, "canary": 2})
    ]
