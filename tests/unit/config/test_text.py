"""Files in protobuf's text format, and files that are something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.config.text import MAX_BYTES, parse, read
from servable.errors import FailedPrecondition, InvalidArgument, NotFound, ServableError
from servable.pb import config_pb2

CONFIG = config_pb2.ModelServerConfig
BATCHING = config_pb2.BatchingParameters


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"", []),
        (b"model_config_list {}", []),
        (b"model_config_list: { config: { name: 'a' } }", ["a"]),
        (b"model_config_list { config { name: 'a' }, config < name: \"b\" >; }", ["a", "b"]),
        (b"model_config_list { config [{ name: 'a' }, { name: 'b' }] }", ["a", "b"]),
        (b"# said\nmodel_config_list { # so\n config { name: 'a' 'b' } }\n", ["ab"]),
        ("model_config_list { config { name: 'é' } }".encode(), ["é"]),
    ],
)
def test_the_ways_to_write_a_message(text: bytes, names: list[str]) -> None:
    assert [c.name for c in parse(CONFIG, text, "f").model_config_list.config] == names


def test_wrapped_numbers_are_there_or_not() -> None:
    message = parse(BATCHING, b"max_batch_size { value: 128 } allowed_batch_sizes: [4, 8]", "f")

    assert message.max_batch_size.value == 128
    assert message.HasField("max_batch_size")
    assert not message.HasField("batch_timeout_micros")
    assert list(message.allowed_batch_sizes) == [4, 8]


SERVER_CONFIG = "Error parsing text-format tensorflow.serving.ModelServerConfig: "


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            b"improperly formatted file",
            '1:1: Message type "tensorflow.serving.ModelServerConfig" has no field named '
            '"improperly".',
        ),
        (
            b"model_config_list {\n  config { nme: 'a' } }",
            '2:12: Message type "tensorflow.serving.ModelConfig" has no field named "nme".',
        ),
        (b"model_config_list {", '1:19: Expected "}".'),
        (
            b"model_config_list {} custom_model_config {}",
            '1:22: Field "custom_model_config" is specified along with field "model_config_list"',
        ),
        (b"model_config_list { config { name: 'a' name: 'b' } }", "1:46: "),
        (b"custom_model_config { [type.googleapis.com/x.Y] {} }", "Type x.Y not found"),
        (b"\xff\xfe", "The text is no UTF-8 from byte 0 on."),
        (b"{" * 10000, "1:1: "),
        (
            b"custom_model_config { [type.googleapis.com/tensorflow.serving.ModelServerConfig] {"
            * 2000,
            "Messages are nested too deeply.",
        ),
        (b"#" * (MAX_BYTES + 1), "More than 16777216 bytes."),
    ],
)
def test_a_broken_text_is_refused_in_the_peers_words(text: bytes, line: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(CONFIG, text, "/etc/models.config")

    assert caught.value.message == "Invalid protobuf file: '/etc/models.config'"
    assert caught.value.hint.startswith(SERVER_CONFIG + line)
    assert len(caught.value.hint) <= 500


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    refusal = ""
    message = CONFIG()
    try:
        message = parse(CONFIG, data, "f")
    except InvalidArgument as error:
        refusal = error.message

    assert refusal in ("", "Invalid protobuf file: 'f'")
    assert CONFIG.FromString(message.SerializeToString()) == message


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("model_config_list { config { name: 'a' } }")

    assert read(CONFIG, path).model_config_list.config[0].name == "a"


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("missing", NotFound, "No such file or directory"),
        (".", FailedPrecondition, "Is a directory"),
    ],
)
def test_a_file_that_can_not_be_read(
    tmp_path: Path, name: str, kind: type[ServableError], reason: str
) -> None:
    path = tmp_path / name

    with pytest.raises(kind) as caught:
        read(CONFIG, path)

    assert caught.value.message == f"{path}; {reason}"
