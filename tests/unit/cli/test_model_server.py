"""TensorFlow Serving's command line: how it is read, and what it is turned into."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from servable.cli.main import main
from servable.cli.model_server_flags import FLAGS, Status, Value
from servable.cli.model_server_parse import parse
from servable.cli.model_server_settings import settings
from servable.core.labels import LabelRule
from servable.errors import InvalidArgument, ServableError, Unimplemented
from servable.server.config import ServerConfig
from servable.sources.filesystem import WatchedModel
from servable.transport.options import Tls


@pytest.fixture(autouse=True)
def log_set_up_as_before() -> Iterator[None]:
    """The command sets up the log of the whole process."""
    root, ours = logging.getLogger(), logging.getLogger("servable")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


@pytest.mark.parametrize(
    ("arguments", "given_"),
    [
        ([], {}),
        (["--port=9"], {"port": 9}),
        (["--port", "9", "--model_name", "m"], {"port": 9, "model_name": "m"}),
        (["--port= +9 "], {"port": 9}),
        (["--port=-1"], {"port": -1}),
        (["--port", "-1"], {"port": -1}),
        (["--port=1", "--port=2"], {"port": 2}),
        (["--model_name="], {"model_name": ""}),
        (["--model_base_path=/a=b"], {"model_base_path": "/a=b"}),
        (["--enable_batching"], {"enable_batching": True}),
        (["--enable_batching=true"], {"enable_batching": True}),
        (["--enable_batching=false"], {"enable_batching": False}),
        (["--enable_batching", "false", "--port=1"], {"enable_batching": False, "port": 1}),
        (["--load_retry_interval_micros=9223372036854775807"], {}),
        (["--per_process_gpu_memory_fraction=.5"], {"per_process_gpu_memory_fraction": 0.5}),
    ],
)
def test_how_flags_are_written(arguments: list[str], given_: dict[str, Value]) -> None:
    line = parse(arguments)

    assert line.unknown == []
    assert dict(line.given).items() >= given_.items()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("--port=abc", "abc"),
        ("--port=", ""),
        ("--port", ""),
        ("--port=1.0", "1.0"),
        ("--port=1_000", "1_000"),
        ("--port=2147483648", "2147483648"),
        ("--port=" + "9" * 5000, "9" * 5000),
        ("--tensorflow_session_parallelism=9223372036854775808", "9223372036854775808"),
        ("--enable_batching=1", "1"),
        ("--enable_batching=True", "True"),
        ("--enable_batching=", ""),
        ("--per_process_gpu_memory_fraction=much", "much"),
        ("--per_process_gpu_memory_fraction=nan", "nan"),
    ],
)
def test_values_that_a_flag_can_not_have(argument: str, value: str) -> None:
    name = argument.removeprefix("--").partition("=")[0]

    with pytest.raises(InvalidArgument) as caught:
        parse([argument])

    assert caught.value.message == f"Couldn't interpret value {value} for flag {name}."


@pytest.mark.parametrize("argument", ["--bogus=1", "-port=1", "port=1", "x", "--", "-", "--Port=1"])
def test_what_is_no_flag_is_passed_over(argument: str) -> None:
    line = parse([argument, "--port=9"])

    assert line.unknown == [argument]
    assert line.number("port") == 9


@given(st.lists(st.one_of(st.text(), st.sampled_from([f"--{name}" for name in FLAGS]))))
def test_any_arguments_are_read_or_refused(arguments: list[str]) -> None:
    try:
        line = parse(arguments)
    except InvalidArgument:
        return
    assert set(line.given) <= set(FLAGS)
    assert len(line.unknown) + len(line.given) <= len(arguments)


def test_a_default_has_the_type_of_its_flag_and_what_differs_is_explained() -> None:
    types = {"bool": bool, "int32": int, "int64": int, "float": float, "string": str}
    for flag in FLAGS.values():
        assert type(flag.default) is types[flag.kind], flag.name
        assert flag.help.endswith("."), flag.name
        assert bool(flag.here) == (flag.status in (Status.DIFFERS, Status.NOT_APPLICABLE))


def configured(*arguments: str) -> ServerConfig:
    return settings(parse(arguments))


def test_the_defaults_are_the_peers() -> None:
    config = configured("--model_base_path=/models/m")

    assert config.models == (WatchedModel("default", Path("/models/m"), unload_when_empty=True),)
    assert (config.host, config.grpc_port, config.rest_port) == ("0.0.0.0", 8500, None)
    assert (config.poll_seconds, config.config_poll_seconds) == (1, 0)
    assert (config.loading.max_retries, config.loading.retry_seconds) == (5, 60.0)
    assert config.label_rule is config.reload_rule is LabelRule.READY_ONLY
    assert config.unload_when_empty
    assert config.tags == ("serve",)
    assert config.rest.timeout_seconds == 30.0
    assert (config.rest.cors, config.rest.metrics_path) == (False, "")
    assert (config.grpc.health, config.grpc.tls, config.grpc.threads) == (False, None, None)
    assert (config.grpc.tensor_content, config.grpc.check_method_name) == (False, False)
    assert (config.grpc.profiler, config.grpc.hints, config.rest.hints) == (True, True, True)


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        (["--port=0", "--grpc_socket_path=s"], "grpc_port", None),
        (["--grpc_socket_path=/tmp/s"], "grpc.socket_path", "/tmp/s"),
        (["--rest_api_port=8501"], "rest_port", 8501),
        (["--rest_api_port=8500"], "rest_port", None),
        (["--rest_api_num_threads=3"], "rest.threads", 3),
        (["--rest_api_timeout_in_ms=1500"], "rest.timeout_seconds", 1.5),
        (["--rest_api_timeout_in_ms=-1"], "rest.timeout_seconds", None),
        (["--rest_api_enable_cors_support"], "rest.cors", True),
        (["--enable_serialization_as_tensor_content"], "grpc.tensor_content", True),
        (["--enable_signature_method_name_check"], "grpc.check_method_name", True),
        (["--enable_signature_method_name_check"], "rest.check_method_name", True),
        (["--enable_profiler=false"], "grpc.profiler", False),
        ([], "settings.hint", "auto"),
        (["--performance_hint=throughput"], "settings.hint", "throughput"),
        (["--hints=false"], "grpc.hints", False),
        (["--hints=false"], "rest.hints", False),
        (["--grpc_max_threads=7"], "grpc.threads", 7),
        (["--enable_grpc_healthcheck_service"], "grpc.health", True),
        (
            ["--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.lb_policy_name=x"],
            "grpc.channel_arguments",
            (("grpc.max_connection_age_ms", 2000), ("grpc.lb_policy_name", "x")),
        ),
        (["--num_load_threads=8"], "loading.load_threads", 8),
        (["--num_load_threads=-8"], "loading.load_threads", 2),
        (["--num_unload_threads=3"], "loading.unload_threads", 3),
        (["--max_num_load_retries=0"], "loading.max_retries", 0),
        (["--load_retry_interval_micros=-1"], "loading.retry_seconds", -1e-6),
        (["--file_system_poll_wait_seconds=-1"], "poll_seconds", -1),
        (["--saved_model_tags=serve,gpu"], "tags", ("serve", "gpu")),
        (["--saved_model_tags="], "tags", ("serve",)),
        (["--prefer_tflite_model"], "prefer_tflite", True),
        (
            ["--allow_version_labels_for_unavailable_models"],
            "reload_rule",
            LabelRule.NEW_ANYWHERE,
        ),
        (["--host=127.0.0.1"], "host", "127.0.0.1"),
    ],
)
def test_what_a_flag_sets(arguments: list[str], path: str, value: object) -> None:
    found: Any = configured("--model_base_path=/m", *arguments)
    for name in path.split("."):
        found = getattr(found, name)

    assert found == value


def test_a_config_file_takes_the_place_of_the_one_model(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("model_config_list {}")

    config = configured(
        f"--model_config_file={path}",
        "--model_base_path=/m",
        "--model_config_file_poll_wait_seconds=3",
    )

    assert (config.models, config.config_file, config.config_poll_seconds) == ((), path, 3)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("prometheus_config { enable: true path: '/metrics' }", "/metrics"),
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ("prometheus_config { path: '/metrics' }", ""),
        ("", ""),
    ],
)
def test_metrics_are_shown_where_the_monitoring_config_says(
    tmp_path: Path, text: str, path: str
) -> None:
    file = tmp_path / "monitoring.config"
    file.write_text(text)

    config = configured(
        "--model_base_path=/m", "--rest_api_port=8501", f"--monitoring_config_file={file}"
    )

    assert config.rest.metrics_path == path


def test_keys_and_certificates_come_from_the_ssl_config(tmp_path: Path) -> None:
    file = tmp_path / "ssl.config"
    file.write_text(r'server_key: "KEY\n" server_cert: "CERT\n" client_verify: true custom_ca: "C"')

    config = configured("--model_base_path=/m", f"--ssl_config_file={file}")

    assert config.grpc.tls == Tls("KEY\n", "CERT\n", "C", client_verify=True)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            ["--port=0"],
            InvalidArgument,
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be "
            "set.",
        ),
        (
            ["--use_alts_credentials", "--ssl_config_file=x"],
            InvalidArgument,
            "Either use_alts_credentials must be false or ssl_config_file must be empty.",
        ),
        (["--use_alts_credentials"], Unimplemented, "ALTS credentials are not supported."),
        (
            ["--enable_batching"],
            InvalidArgument,
            "Both server_options.model_base_path and server_options.model_config_file are empty!",
        ),
        (
            ["--model_base_path=m", "--model_name=n"],
            InvalidArgument,
            "Expected model n to have an absolute path or URI; got base_path()=m",
        ),
        (
            ["--model_base_path=gs://b/m"],
            Unimplemented,
            "File system scheme 'gs' not implemented (file: 'gs://b/m')",
        ),
        (
            ["--model_base_path=/m", "--batching_parameters_file=x"],
            InvalidArgument,
            "server_options.batching_parameters_file is set without setting "
            "server_options.enable_batching to true.",
        ),
        (
            [
                "--model_base_path=/m",
                "--tensorflow_session_parallelism=1",
                "--tensorflow_intra_op_parallelism=1",
                "--tensorflow_inter_op_parallelism=1",
            ],
            InvalidArgument,
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, "
            "server_options.tensorflow_inter_op_parallelism) separately. You cannot configure all.",
        ),
        (
            ["--model_base_path=/m", "--performance_hint=fast"],
            InvalidArgument,
            "performance_hint must be one of auto, latency, throughput; was 'fast'",
        ),
    ],
)
def test_what_the_server_does_not_start_with(
    arguments: list[str], kind: type[ServableError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        configured(*arguments)

    assert caught.value.message == message


@pytest.mark.parametrize(
    "flag",
    [
        "model_config_file",
        "batching_parameters_file",
        "ssl_config_file",
        "monitoring_config_file",
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, flag: str) -> None:
    file = tmp_path / "config"
    file.write_text("garbage")
    always = ["--model_base_path=/m", "--enable_batching", "--rest_api_port=8501"]

    with pytest.raises(InvalidArgument) as caught:
        configured(*always, f"--{flag}={file}")

    assert caught.value.message == f"Invalid protobuf file: '{file}'"


def test_a_wrong_value_is_told_and_the_flags_are_listed() -> None:
    result = CliRunner().invoke(main, ["model_server", "--port=x"])

    assert result.exit_code == 255
    assert result.stderr == "Couldn't interpret value x for flag port.\n"
    assert "--port=8500\tint32" in result.stdout


def test_help_lists_every_flag_and_what_it_does_here() -> None:
    result = CliRunner().invoke(main, ["model_server", "--help"])

    assert result.exit_code == 255
    for flag in FLAGS.values():
        assert f"\t--{flag.name}=" in result.stdout
        assert flag.here in result.stdout


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(main, ["model_server", "--version"])

    assert result.exit_code == 0
    assert result.stdout.startswith("TensorFlow ModelServer: ")
    assert "\nTensorFlow Library: " in result.stdout


def test_an_unknown_argument_is_told_and_the_start_goes_on() -> None:
    result = CliRunner().invoke(main, ["model_server", "--bogus", "--too"])

    assert result.stdout.startswith("unknown argument: --bogus\nusage: ")
    assert result.stdout.endswith(
        "Failed to start server. Error: INVALID_ARGUMENT: Both server_options.model_base_path and "
        "server_options.model_config_file are empty!\n"
    )
    assert result.exit_code == 255


def test_a_flag_without_its_effect_is_warned_about_once_and_no_other() -> None:
    line = parse(
        [
            "--enable_batching",
            "--mixed_precision=bfloat16",
            "--enable_profiler=true",
            "--num_load_threads=4",
            "--port=1",
        ]
    )

    assert [flag.name for flag in line.without_effect()] == ["enable_batching", "mixed_precision"]


def test_warnings_say_what_happens_instead() -> None:
    result = CliRunner().invoke(main, ["model_server", "--skip_initialize_tpu"])

    assert "WARNING --skip_initialize_tpu: There are none to initialise." in result.stderr
