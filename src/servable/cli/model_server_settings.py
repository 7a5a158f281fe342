"""From TensorFlow Serving's flags to the settings of a server, in its order of checks."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from servable.batching.choice import Batching, Scheduled, natural
from servable.cli.admin_key import read_admin_key
from servable.cli.model_server_parse import CommandLine
from servable.cli.remote_options import Fetching
from servable.config.batching import BatchingParameters, read_parameters
from servable.config.models import ModelConfig, check
from servable.config.text import read
from servable.core.labels import LabelRule
from servable.engine.backends.openvino_threads import Hint
from servable.errors import InvalidArgument, Unimplemented
from servable.pb import config_pb2
from servable.servables.settings import EngineSettings
from servable.server.config import Loading, ServerConfig
from servable.server.config_file import read_config, read_tls
from servable.sources.filesystem import WatchedModel
from servable.sources.remote.options import RemoteOptions
from servable.transport.options import (
    GrpcOptions,
    RestOptions,
    parse_channel_arguments,
)

_METRICS_PATH = "/monitoring/prometheus/metrics"
_MICROS = 1e6
_DEFAULTS = Loading()


DRAIN_SECONDS = 0.5
"""How long a server that is told to stop still takes requests. The peer does not: it ends."""


def settings(line: CommandLine) -> ServerConfig:
    """Return the settings that a command line asks for (behaviour reference 4.3).

    Raises:
        ServableError: flags contradict each other, or a file can not be used.
    """
    _check_listening(line)
    rule = (
        LabelRule.NEW_ANYWHERE
        if line.on("allow_version_labels_for_unavailable_models")
        else LabelRule.READY_ONLY
    )
    models, config_file = _models(line)
    batching = _batching(line)
    _check_parallelism(line)
    port, rest_port = line.number("port"), line.number("rest_api_port")
    return ServerConfig(
        models=models,
        host=line.text("host"),
        grpc_port=port or None,
        rest_port=rest_port if rest_port and rest_port != port else None,
        poll_seconds=line.number("file_system_poll_wait_seconds"),
        config_file=config_file,
        config_poll_seconds=line.number("model_config_file_poll_wait_seconds"),
        label_rule=rule,
        reload_rule=rule,
        unload_when_empty=True,
        loading=Loading(
            load_threads=_threads(line, "num_load_threads") or _DEFAULTS.load_threads,
            unload_threads=_threads(line, "num_unload_threads") or _DEFAULTS.unload_threads,
            max_retries=line.number("max_num_load_retries"),
            retry_seconds=line.number("load_retry_interval_micros") / _MICROS,
            warmup_iterations=_warmup_iterations(line),
        ),
        tags=_tags(line),
        prefer_tflite=line.on("prefer_tflite_model"),
        settings=EngineSettings(
            precision="bf16" if line.text("mixed_precision") == "bfloat16" else "f32",
            hint=_hint(line),
        ),
        admin_key=_admin_key(line),
        remote=_remote(line),
        batching=batching,
        drain_seconds=DRAIN_SECONDS,
        grpc=_grpc(line),
        rest=_rest(line),
    )


def _check_listening(line: CommandLine) -> None:
    if line.number("port") == 0 and not line.text("grpc_socket_path"):
        raise InvalidArgument(
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be "
            "set."
        )
    if line.on("use_alts_credentials"):
        if line.text("ssl_config_file"):
            raise InvalidArgument(
                "Either use_alts_credentials must be false or ssl_config_file must be empty."
            )
        raise Unimplemented(
            "ALTS credentials are not supported.", hint="Secure the port with --ssl_config_file."
        )


def _models(line: CommandLine) -> tuple[tuple[WatchedModel, ...], Path | None]:
    """Return the one model, or the file that lists others."""
    file, base_path = line.text("model_config_file"), line.text("model_base_path")
    if file:
        # The server reads it again; here it is read for the order of the checks.
        read_config(Path(file))
        return (), Path(file)
    if not base_path:
        raise InvalidArgument(
            "Both server_options.model_base_path and server_options.model_config_file are empty!",
            hint="Name a folder with --model_base_path=/models/NAME.",
        )
    model = ModelConfig(line.text("model_name"), base_path)
    check([model])
    return (WatchedModel(model.name, model.path, model.policy, unload_when_empty=True),), None


def _batching(line: CommandLine) -> Batching | None:
    """How requests are computed together: as the peer's flags say, or else naturally."""
    file = line.text("batching_parameters_file")
    if line.text("platform_config_file"):
        return natural if line.on("natural_batching") else None
    if not line.on("enable_batching"):
        if file:
            raise InvalidArgument(
                "server_options.batching_parameters_file is set without setting "
                "server_options.enable_batching to true."
            )
        return natural if line.on("natural_batching") else None
    parameters = read_parameters(file) if file else BatchingParameters()
    return Scheduled(parameters, per_model=line.on("enable_per_model_batching_parameters"))


def _check_parallelism(line: CommandLine) -> None:
    flags = ("session", "intra_op", "inter_op")
    if all(line.number(f"tensorflow_{flag}_parallelism") > 0 for flag in flags):
        raise InvalidArgument(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, "
            "server_options.tensorflow_inter_op_parallelism) separately. You cannot configure all."
        )


def _tags(line: CommandLine) -> tuple[str, ...]:
    tags = filter(None, line.text("saved_model_tags").split(","))
    return tuple(tags) or ("serve",)


def _grpc(line: CommandLine) -> GrpcOptions:
    ssl_config = line.text("ssl_config_file")
    return GrpcOptions(
        socket_path=line.text("grpc_socket_path"),
        channel_arguments=parse_channel_arguments(line.text("grpc_channel_arguments")),
        tls=read_tls(ssl_config) if ssl_config else None,
        threads=_threads(line, "grpc_max_threads"),
        tensor_content=line.on("enable_serialization_as_tensor_content"),
        check_method_name=line.on("enable_signature_method_name_check"),
        hints=line.on("hints"),
        profiler=line.on("enable_profiler"),
        health=line.on("enable_grpc_healthcheck_service"),
    )


def _rest(line: CommandLine) -> RestOptions:
    milliseconds = line.number("rest_api_timeout_in_ms")
    return RestOptions(
        threads=_threads(line, "rest_api_num_threads"),
        timeout_seconds=milliseconds / 1000 if milliseconds > 0 else None,
        cors=line.on("rest_api_enable_cors_support"),
        check_method_name=line.on("enable_signature_method_name_check"),
        hints=line.on("hints"),
        metrics_path=_metrics_path(line),
    )


def _admin_key(line: CommandLine) -> str:
    file = line.text("admin_key_file")
    return read_admin_key(Path(file) if file else None)


def _remote(line: CommandLine) -> RemoteOptions:
    return Fetching(
        Path(line.text("remote_cache_dir")) if line.text("remote_cache_dir") else None,
        line.number("remote_cache_bytes"),
        line.number("remote_max_bytes"),
        line.text("remote_ready_marker"),
    ).options()


def _hint(line: CommandLine) -> Hint:
    given = line.text("performance_hint")
    for hint in get_args(Hint):
        if hint == given:
            return hint  # type: ignore[no-any-return]  # one of its values
    raise InvalidArgument(
        f"performance_hint must be one of {', '.join(get_args(Hint))}; was {given!r}"
    )


def _metrics_path(line: CommandLine) -> str:
    file = line.text("monitoring_config_file")
    if not file or not line.number("rest_api_port"):
        return ""
    config = read(config_pb2.MonitoringConfig, file).prometheus_config
    return (config.path or _METRICS_PATH) if config.enable else ""


def _warmup_iterations(line: CommandLine) -> int:
    """Return how often each record is replayed; 0 for warmup that is turned off."""
    if not line.on("enable_model_warmup"):
        return 0
    return max(1, line.number("num_request_iterations_for_warmup"))


def _threads(line: CommandLine, flag: str) -> int | None:
    """Return a number of threads, None where the server's own default holds."""
    return line.number(flag) if line.number(flag) > 0 else None
