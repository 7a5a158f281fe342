"""How requests are divided among versions: `traffic`, a part of a model's configuration.

TensorFlow Serving does not know it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from servable.errors import InvalidArgument
from servable.pb import config_pb2
from servable.traffic.rules import ShadowRule, Share, Traffic, Which


def read_traffic(
    message: config_pb2.TrafficConfig, model: str, labels: Mapping[str, int]
) -> Traffic:
    """Return what the `traffic` of a model says.

    Args:
        model: its name, for errors.
        labels: those that the same configuration gives.

    Raises:
        InvalidArgument: it breaks a rule, or names a label that is not given; the message
            says in which field.
    """
    shares = []
    for number, entry in enumerate(message.split):
        with _in_field(model, f"traffic.split[{number}]"):
            which = _which(entry)
            if not entry.HasField("weight"):
                raise InvalidArgument(f"{which} has no weight", hint="Write weight: 90.")
            shares.append(Share(which, entry.weight))
    shadow = None
    if message.HasField("shadow"):
        with _in_field(model, "traffic.shadow"):
            shadow = _shadow(message.shadow)
    with _in_field(model, "traffic"):
        traffic = Traffic(tuple(shares), message.sticky_header, shadow)
        for which in traffic.named:
            if which.label is not None and which.label not in labels:
                given = ", ".join(sorted(labels)) or "none"
                raise InvalidArgument(
                    f"{which} is not given",
                    hint=f"Labels in version_labels of {model}: {given}.",
                )
    return traffic


def _which(entry: config_pb2.TrafficConfig.Share | config_pb2.TrafficConfig.Shadow) -> Which:
    match entry.WhichOneof("which"):
        case "version":
            return Which(version=entry.version)
        case "label":
            return Which(label=entry.label)
        case _:
            return Which()


def _shadow(message: config_pb2.TrafficConfig.Shadow) -> ShadowRule:
    said = {
        rule: getattr(message, field)
        for rule, field in (
            ("percent", "percent"),
            ("tolerance", "tolerance"),
            ("max_queue", "max_queue"),
            ("max_bytes", "max_shadow_bytes"),
        )
        if message.HasField(field)
    }
    return ShadowRule(_which(message), **said)


@contextmanager
def _in_field(model: str, field: str) -> Iterator[None]:
    """Say in errors which field of which model they are about."""
    try:
        yield
    except InvalidArgument as error:
        raise InvalidArgument(
            f"Illegal {field} of model {model}: {error.message}", hint=error.hint
        ) from error
