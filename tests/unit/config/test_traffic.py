"""What a `traffic` block may say, and what it means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from servable.config.models import ModelConfig, check, read_models
from servable.config.text import parse
from servable.errors import InvalidArgument, ResourceExhausted
from servable.pb import config_pb2
from servable.traffic.rules import MAX_SHADOWS, ShadowRule, Share, Traffic, Which

V1, V2, CANARY = Which(version=1), Which(version=2), Which(label="canary")
LABELS = "version_labels { key: 'canary' value: 4 }"
DOCS = Path(__file__).resolve().parents[3] / "docs"


def models(text: str) -> tuple[ModelConfig, ...]:
    return read_models(parse(config_pb2.ModelServerConfig, text.encode(), "f")) or ()


def traffic(text: str) -> Traffic | None:
    config = f"name: 'm' base_path: '/m' model_platform: 'tensorflow' {LABELS} {text}"
    (only,) = models(f"model_config_list {{ config {{ {config} }} }}")
    return only.traffic


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", None),
        ("traffic {}", Traffic()),
        (
            "traffic { split { version: 1 weight: 90 } split { label: 'canary' weight: 10 } }",
            Traffic((Share(V1, 90), Share(CANARY, 10))),
        ),
        (
            "traffic { split { version: 0 weight: 1 } split { version: -1 weight: 0 } }",
            Traffic((Share(Which(version=0), 1), Share(Which(version=-1), 0))),
        ),
        (
            "traffic { split { version: 1 weight: 1 } sticky_header: 'x-user-id' }",
            Traffic((Share(V1, 1),), "x-user-id"),
        ),
        (
            "traffic { shadow { label: 'canary' } }",
            Traffic(shadow=ShadowRule(CANARY, 100.0, 1e-5, 64, 2**26)),
        ),
        (
            "traffic { shadow { version: 2 percent: 0 tolerance: 0 max_queue: 1"
            " max_shadow_bytes: 1 } }",
            Traffic(shadow=ShadowRule(V2, 0.0, 0.0, 1, 1)),
        ),
    ],
)
def test_what_a_block_means(text: str, rules: Traffic | None) -> None:
    assert traffic(text) == rules


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("split { weight: 1 }", "split[0] of model m: a version is named by", 'label: "canary"'),
        (
            "split { version: 1 weight: 1 } split { version: 2 }",
            "split[1] of model m: version 2 has no weight",
            "Write weight",
        ),
        (
            "split { version: 1 weight: -1 }",
            "split[0] of model m: the weight of version 1 is -1",
            "0 to 1000000",
        ),
        (
            "split { version: 1 weight: 1000001 }",
            "split[0] of model m: the weight of version 1 is 1000001",
            "0 to 1000000",
        ),
        (
            "split { version: 1 weight: 0 }",
            " of model m: every weight of a split is 0",
            "Leave the split out",
        ),
        (
            "split { version: 1 weight: 1 } split { version: 1 weight: 1 }",
            " of model m: a split names version 1 twice",
            "Add the weights up",
        ),
        (
            "split { label: 'canaria' weight: 1 }",
            ' of model m: label "canaria" is not given',
            "Labels in version_labels of m: canary.",
        ),
        (
            "shadow { label: 'canaria' }",
            ' of model m: label "canaria" is not given',
            "Labels in version_labels of m: canary.",
        ),
        ("sticky_header: 'x-user-id'", " of model m: there is a sticky_header and no", "versions"),
        (
            "split { version: 1 weight: 1 } sticky_header: 'X User'",
            " of model m: the sticky_header 'X User' is no name",
            "lower case",
        ),
        ("shadow {}", "shadow of model m: a version is named by", "version: 3"),
        (
            "shadow { version: 1 percent: 101 }",
            "shadow of model m: the percent of a shadow is 101",
            "10 one in ten",
        ),
        (
            "shadow { version: 1 percent: nan }",
            "shadow of model m: the percent of a shadow is nan",
            "10 one in ten",
        ),
        (
            "shadow { version: 1 tolerance: inf }",
            "shadow of model m: the tolerance of a shadow is inf",
            "1e-5",
        ),
        (
            "shadow { version: 1 max_queue: 0 }",
            "shadow of model m: the max_queue of a shadow is 0",
            "1 to 10000",
        ),
        (
            "shadow { version: 1 max_shadow_bytes: 9223372036854775807 }",
            "shadow of model m: the max_shadow_bytes of a shadow is 9223372036854775807",
            "1 to 1073741824",
        ),
        (
            "".join(f"split {{ version: {n} weight: 1 }}" for n in range(101)),
            " of model m: a split has more than 100 parts",
            "",
        ),
    ],
)
def test_a_rule_that_is_broken_is_named_with_its_field(text: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        traffic(f"traffic {{ {text} }}")

    assert message in caught.value.message
    assert caught.value.message.startswith("Illegal traffic")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("line", "where", "field"),
    [
        ("traffic {\n  splits { version: 1 }\n}", "2:", "splits"),
        ("traffic {\n split { version: 'one' }\n}", "2:", "version"),
        ("traffic {\n split { version: 1 label: 'canary' weight: 1 }\n}", "2:", "label"),
    ],
)
def test_a_word_that_is_not_known_is_named_with_its_line(line: str, where: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(config_pb2.ModelConfig, line.encode(), "models.config")

    assert caught.value.message == "Invalid protobuf file: 'models.config'"
    assert f" {where}" in caught.value.hint
    assert field in caught.value.hint or "'one'" in caught.value.hint


def test_a_server_has_a_bounded_number_of_shadows() -> None:
    rules = Traffic(shadow=ShadowRule(V1))
    configs = [ModelConfig(f"m{n}", "/m", traffic=rules) for n in range(MAX_SHADOWS + 1)]

    check(configs[1:])
    with pytest.raises(ResourceExhausted) as caught:
        check(configs)

    assert caught.value.message == f"More than {MAX_SHADOWS} models have a shadow."


def test_the_example_of_the_docs_can_be_served() -> None:
    page = (DOCS / "traffic.md").read_text()
    (example,) = re.findall(r"^```textproto\n(.*?)^```", page, re.MULTILINE | re.DOTALL)

    configs = models(example)
    check(configs)

    assert [config.traffic is not None for config in configs] == [True]


def test_rules_are_logged_as_they_read() -> None:
    rules = Traffic((Share(V1, 9), Share(CANARY, 1)), "x-user-id", ShadowRule(CANARY, percent=12.5))

    assert str(rules) == (
        'version 1 weight 9, label "canary" weight 1, by the header x-user-id, '
        '12.5 % also to label "canary" as a shadow'
    )
