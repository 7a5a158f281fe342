"""TensorFlow Serving's flags, in one table: their types, and what each one does here.

The parser, the usage text, the warnings and `docs/compat.md` all come from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["bool", "int32", "int64", "float", "string"]
Value: TypeAlias = bool | int | float | str


class Status(enum.StrEnum):
    """How a flag compares."""

    DONE = "done"
    DIFFERS = "differs"
    NOT_APPLICABLE = "not applicable"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Attributes:
        help: what it is for, in TensorFlow Serving too.
        here: where it differs or is not applicable, what happens here instead: said in the
            docs and, unless `quiet`, in a warning to who sets it to anything but its default.
        quiet: whether what is set has its effect, all the same.
        default_text: the default in words, where it is no constant.
    """

    name: str
    kind: Kind
    default: Value
    help: str
    status: Status = Status.DONE
    here: str = ""
    default_text: str = ""
    quiet: bool = False


_PER_CPU = "4 for each CPU"
_OWN_THREADS = "--performance_hint says how requests share the CPUs."
_BATCHING = (
    "Rows of different shapes that are not to be padded go into different batches, and a batch "
    "that fails is computed again request by request: no request fails for another's fault."
)
_TFLITE = "The engine for TFLite models decides by itself."

_TABLE = (
    Flag("port", "int32", 8500, "TCP port of gRPC; 0 opens none."),
    Flag("grpc_socket_path", "string", "", "UNIX socket that gRPC is answered on as well."),
    Flag("rest_api_port", "int32", 0, "Port of the REST API; 0 opens none."),
    Flag(
        "rest_api_num_threads",
        "int32",
        0,
        "Threads that compute REST requests.",
        default_text=_PER_CPU,
    ),
    Flag(
        "rest_api_timeout_in_ms",
        "int32",
        30000,
        "How long a REST request may take; 0 or less is no limit.",
    ),
    Flag(
        "rest_api_enable_cors_support",
        "bool",
        False,
        "Let web pages of any origin call the REST API.",
    ),
    Flag(
        "enable_batching",
        "bool",
        False,
        "Join requests into batches.",
        Status.DIFFERS,
        _BATCHING,
    ),
    Flag(
        "batching_parameters_file",
        "string",
        "",
        "Text file with BatchingParameters; needs --enable_batching.",
    ),
    Flag(
        "enable_per_model_batching_parameters",
        "bool",
        False,
        "Read batching_params.pbtxt of each version; needs --enable_batching.",
    ),
    Flag(
        "allow_version_labels_for_unavailable_models",
        "bool",
        False,
        "Let new labels name versions that are not available.",
    ),
    Flag(
        "model_config_file",
        "string",
        "",
        "Text file with a ModelServerConfig; takes the place of --model_name and "
        "--model_base_path.",
    ),
    Flag(
        "model_config_file_poll_wait_seconds",
        "int32",
        0,
        "Pause between looks at that file; 0 or less reads it once.",
    ),
    Flag("model_name", "string", "default", "What the one model is called."),
    Flag(
        "model_base_path", "string", "", "Folder or URL whose numbered subfolders are its versions."
    ),
    Flag(
        "num_load_threads",
        "int32",
        0,
        "How many versions load at once.",
        Status.DIFFERS,
        "0 is two threads; a slow load never keeps others from loading or unloading.",
        quiet=True,
    ),
    Flag(
        "num_unload_threads",
        "int32",
        0,
        "How many versions unload at once.",
        Status.DIFFERS,
        "0 is one thread.",
        quiet=True,
    ),
    Flag(
        "max_num_load_retries",
        "int32",
        5,
        "Further attempts after a load has failed.",
        Status.DIFFERS,
        "A model that no attempt can mend (an op outside the list, a broken graph) ends at once.",
        quiet=True,
    ),
    Flag(
        "load_retry_interval_micros",
        "int64",
        60_000_000,
        "Pause between attempts; negative for none.",
    ),
    Flag(
        "file_system_poll_wait_seconds",
        "int32",
        1,
        "Pause between looks for versions; 0 looks once, less never.",
        Status.DIFFERS,
        "With 0, models of a later configuration are looked at once, too. One base path that "
        "is missing does not keep the others from being looked at. A version is loaded when "
        "its files are complete and have come to rest.",
        quiet=True,
    ),
    Flag(
        "flush_filesystem_caches",
        "bool",
        True,
        "Drop the file system's caches after loads.",
        Status.NOT_APPLICABLE,
        "No file is cached here.",
    ),
    Flag(
        "tensorflow_session_parallelism",
        "int64",
        0,
        "Threads inside and between ops.",
        Status.NOT_APPLICABLE,
        _OWN_THREADS,
    ),
    Flag(
        "tensorflow_intra_op_parallelism",
        "int64",
        0,
        "Threads inside an op.",
        Status.NOT_APPLICABLE,
        _OWN_THREADS,
    ),
    Flag(
        "tensorflow_inter_op_parallelism",
        "int64",
        0,
        "Threads between ops.",
        Status.NOT_APPLICABLE,
        _OWN_THREADS,
    ),
    Flag(
        "tensorflow_session_config_file",
        "string",
        "",
        "Text file with a ConfigProto.",
        Status.NOT_APPLICABLE,
        "Not read: there is no TensorFlow session.",
    ),
    Flag(
        "use_alts_credentials",
        "bool",
        False,
        "Google's own transport security for gRPC.",
        Status.NOT_APPLICABLE,
        "Refused: the server does not start without the security that was asked for.",
    ),
    Flag("ssl_config_file", "string", "", "Text file with an SSLConfig, for gRPC."),
    Flag(
        "platform_config_file",
        "string",
        "",
        "Text file with a PlatformConfigMap.",
        Status.NOT_APPLICABLE,
        "Not read: it configures TensorFlow's own loader.",
    ),
    Flag(
        "per_process_gpu_memory_fraction",
        "float",
        0.0,
        "Share of the GPU's memory to take.",
        Status.NOT_APPLICABLE,
        "Models run on the CPU.",
    ),
    Flag(
        "saved_model_tags",
        "string",
        "serve",
        "Which MetaGraph of a SavedModel is served: its set of tags, with commas.",
    ),
    Flag("grpc_channel_arguments", "string", "", "Settings of gRPC itself: k=v,k2=v2."),
    Flag(
        "grpc_max_threads",
        "int32",
        0,
        "Threads that answer gRPC requests.",
        default_text=_PER_CPU,
    ),
    Flag(
        "enable_model_warmup",
        "bool",
        True,
        "Replay recorded requests before a version is available.",
    ),
    Flag(
        "num_request_iterations_for_warmup",
        "int32",
        0,
        "How often each recorded request is replayed; once if it is not positive.",
    ),
    Flag("version", "bool", False, "Print versions and exit."),
    Flag(
        "monitoring_config_file",
        "string",
        "",
        "Text file with a MonitoringConfig: whether, and at which path, metrics are shown.",
    ),
    Flag(
        "remove_unused_fields_from_bundle_metagraph",
        "bool",
        True,
        "Keep no more than the signatures of a loaded MetaGraph.",
        Status.NOT_APPLICABLE,
        "Nothing else is kept in any case.",
    ),
    Flag("prefer_tflite_model", "bool", False, "Use model.tflite where there is one."),
    Flag(
        "num_tflite_pools",
        "int32",
        0,
        "Pools of TFLite interpreters.",
        Status.NOT_APPLICABLE,
        _TFLITE,
        default_text="number of CPUs",
    ),
    Flag(
        "num_tflite_interpreters_per_pool",
        "int32",
        1,
        "TFLite interpreters in each pool.",
        Status.NOT_APPLICABLE,
        _TFLITE,
    ),
    Flag(
        "enable_signature_method_name_check",
        "bool",
        False,
        "Insist on the method name that a signature was exported for.",
    ),
    Flag(
        "xla_cpu_compilation_enabled",
        "bool",
        False,
        "Let XLA compile for the CPU.",
        Status.NOT_APPLICABLE,
        "OpenVINO compiles the heavy parts of a graph in any case.",
    ),
    Flag(
        "xla_gpu_compilation_enabled",
        "bool",
        False,
        "Let XLA compile for the GPU.",
        Status.NOT_APPLICABLE,
        "Models run on the CPU.",
    ),
    Flag(
        "enable_profiler",
        "bool",
        True,
        "Offer TensorFlow's profiler over gRPC.",
        Status.DIFFERS,
        "A trace shows requests and their parts, not ops, and is sent to the client instead of "
        "being written where the request says; 120 s and 20000 requests at most.",
        quiet=True,
    ),
    Flag(
        "thread_pool_factory_config_file",
        "string",
        "",
        "Text file with a ThreadPoolFactoryConfig.",
        Status.NOT_APPLICABLE,
        "Not read: there are no TensorFlow thread pools.",
    ),
    Flag(
        "mixed_precision",
        "string",
        "",
        "bfloat16 computes in lower precision.",
        Status.DIFFERS,
        "bfloat16 is used where the processor has it; the peer converts the graph.",
    ),
    Flag(
        "skip_initialize_tpu",
        "bool",
        False,
        "Do not initialise TPUs.",
        Status.NOT_APPLICABLE,
        "There are none to initialise.",
    ),
    Flag("enable_grpc_healthcheck_service", "bool", False, "Serve grpc.health.v1.Health."),
    Flag(
        "enable_serialization_as_tensor_content",
        "bool",
        False,
        "Write tensors of Predict answers as tensor_content, over gRPC; JSON stays as it is.",
    ),
    Flag("host", "string", "0.0.0.0", "Address to listen on.", Status.OURS),
    Flag(
        "hints",
        "bool",
        True,
        "Tell clients how to mend a request: a `hint` beside the error, or trailing metadata.",
        Status.OURS,
    ),
    Flag(
        "natural_batching",
        "bool",
        True,
        "Without --enable_batching: compute requests together that came while the model was busy, "
        "where that was seen to be faster and to give the same answers.",
        Status.OURS,
    ),
    Flag(
        "performance_hint",
        "string",
        "auto",
        "How the CPUs are divided among requests: latency gives all of them to one at a time, "
        "throughput shares them among several, auto does either by how much a request computes.",
        Status.OURS,
    ),
    Flag(
        "admin_key_file",
        "string",
        "",
        "Who shows the key in this file, or in SERVABLE_ADMIN_KEY, may change what is served; "
        "without a key only this machine may, and HandleReloadConfigRequest is open to all.",
        Status.OURS,
    ),
    Flag(
        "remote_cache_dir",
        "string",
        "",
        "Folder where versions behind a URL are kept.",
        Status.OURS,
        default_text="the platform's cache folder",
    ),
    Flag(
        "remote_cache_bytes",
        "int64",
        64 * 2**30,
        "How much is kept there; what was not used for the longest time goes first.",
        Status.OURS,
    ),
    Flag(
        "remote_max_bytes",
        "int64",
        32 * 2**30,
        "A version behind a URL that is larger is not fetched.",
        Status.OURS,
    ),
    Flag(
        "remote_ready_marker",
        "string",
        "",
        "Fetch a version only when it has a file of this name, such as _READY.",
        Status.OURS,
    ),
)

FLAGS: Mapping[str, Flag] = {flag.name: flag for flag in _TABLE}
"""Every flag by its name, in the order of the behaviour reference's table."""
