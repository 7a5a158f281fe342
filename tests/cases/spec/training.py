"""Steps of training on resource variables, and slices of variables replaced."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, init

RAW = tf.raw_ops
rng = np.random.default_rng(8)
W = rng.normal(size=(3, 4)).astype(np.float32)
G = rng.normal(size=(3, 4)).astype(np.float32)
SLOTS = [np.abs(rng.normal(size=(3, 4))).astype(np.float32) + 0.1 for _ in range(3)]
NAMES = {
    "Momentum": ("accum",),
    "KerasMomentum": ("accum",),
    "Adagrad": ("accum",),
    "AdagradV2": ("accum",),
    "Adadelta": ("accum", "accum_update"),
    "Adam": ("m", "v"),
    "AdamWithAmsgrad": ("m", "v", "vhat"),
    "AdaMax": ("m", "v"),
    "RMSProp": ("ms", "mom"),
    "CenteredRMSProp": ("mg", "ms", "mom"),
    "Ftrl": ("accum", "linear"),
    "FtrlV2": ("accum", "linear"),
    "GradientDescent": (),
}


def _variable(name, value):
    kind = tf.as_dtype(value.dtype)
    handle = RAW.VarHandleOp(dtype=kind, shape=value.shape, shared_name=name)
    init(RAW.AssignVariableOp(resource=handle, value=tf.constant(value)))
    return handle


def _step(name, dtype="f", gradient="grad", columns=4, **numbers):
    attrs = {k: numbers.pop(k) for k in list(numbers) if isinstance(numbers[k], bool)}
    variables = {"var": _variable("var", W.astype(dtype))}
    for slot, value in zip(NAMES[name], SLOTS, strict=False):
        # The means of squares have to be larger than the squared means.
        grown = value * 9 if slot == "ms" else value
        variables[slot] = _variable(slot, grown.astype(dtype))
    given = feed(G[:, :columns].astype(dtype), shape=None)
    scalars = {k: feed(np.asarray(v, dtype)) for k, v in numbers.items()}
    step = getattr(RAW, f"ResourceApply{name}")(
        **variables, **scalars, **{gradient: given}, **attrs
    )
    with tf.control_dependencies([step]):
        kind = tf.as_dtype(np.dtype(dtype))
        return [RAW.ReadVariableOp(resource=v, dtype=kind) for v in variables.values()]


_ADAM = {
    "beta1_power": 0.8,
    "beta2_power": 0.9,
    "lr": 0.1,
    "beta1": 0.9,
    "beta2": 0.99,
    "epsilon": 1e-3,
}
_RMS = {"lr": 0.1, "rho": 0.9, "momentum": 0.3, "epsilon": 1e-3}
_FTRL = {"lr": 0.1, "l1": 0.05, "l2": 0.02, "lr_power": -0.5}
_STEPS = (
    ("GradientDescent", {"alpha": 0.1, "gradient": "delta"}),
    ("Momentum", {"lr": 0.1, "momentum": 0.9}),
    ("Momentum", {"lr": 0.1, "momentum": 0.9, "use_nesterov": True}),
    ("KerasMomentum", {"lr": 0.1, "momentum": 0.9}),
    ("KerasMomentum", {"lr": 0.1, "momentum": 0.9, "use_nesterov": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "update_slots": False}),
    ("AdagradV2", {"lr": 0.1, "epsilon": 0.01}),
    ("AdagradV2", {"lr": 0.1, "epsilon": 0.01, "update_slots": False}),
    ("Adadelta", {"lr": 0.1, "rho": 0.9, "epsilon": 1e-3}),
    ("Adam", _ADAM),
    ("Adam", _ADAM | {"use_nesterov": True}),
    ("AdamWithAmsgrad", _ADAM),
    ("AdaMax", {k: v for k, v in _ADAM.items() if k != "beta2_power"}),
    ("RMSProp", _RMS),
    ("CenteredRMSProp", _RMS),
    ("Ftrl", _FTRL),
    ("Ftrl", _FTRL | {"l1": 5.0, "lr_power": -0.3}),
    ("FtrlV2", _FTRL | {"l2_shrinkage": 0.3}),
)
for _name, _options in _STEPS:
    case(f"ResourceApply{_name}", name=_name, **_options)(_step)
    case(f"ResourceApply{_name}", name=_name, dtype="d", **_options)(_step)
case("ResourceApplyAdam", name="Adam", columns=3, **_ADAM)(_step)
case("ResourceApplyMomentum", name="Momentum", lr=0.1, momentum=0.9, columns=3)(_step)
case(
    "ResourceApplyGradientDescent", name="GradientDescent", alpha=1.0, gradient="delta", columns=3
)(_step)


@case("ResourceStridedSliceAssign", pieces=lambda x: x[1], value=(4,))
@case("ResourceStridedSliceAssign", pieces=lambda x: x[0:2, 1], value=(2,))
@case("ResourceStridedSliceAssign", pieces=lambda x: x[::-1, ..., 1:3], value=(3, 2))
@case("ResourceStridedSliceAssign", pieces=lambda x: x[:, None, 2], value=(3, 1))
@case("ResourceStridedSliceAssign", pieces=lambda x: x[:, 1:], value=())
@case("ResourceStridedSliceAssign", pieces=lambda x: x[1:, :], value=(3, 4))
@case("ResourceStridedSliceAssign", pieces=lambda x: x[:0], value=(0, 4))
def slice_assign(pieces, value):
    handle = _variable("v", W)
    found = pieces(tf.constant(W))
    attrs = {k: found.op.get_attr(k) for k in found.op.node_def.attr if k.endswith("_mask")}
    begin, end, strides = found.op.inputs[1:]
    new = feed(rng.normal(size=value).astype(np.float32), shape=None)
    step = RAW.ResourceStridedSliceAssign(
        ref=handle, begin=begin, end=end, strides=strides, value=new, **attrs
    )
    with tf.control_dependencies([step]):
        return RAW.ReadVariableOp(resource=handle, dtype=tf.float32)


@case("ResourceStridedSliceAssign", at=3)
@case("ResourceStridedSliceAssign", at=-1)
def slice_assign_of_a_row(at):
    handle = _variable("v", W)
    step = RAW.ResourceStridedSliceAssign(
        ref=handle,
        begin=feed([at], np.int32),
        end=feed([at + 1], np.int32),
        strides=[1],
        value=feed(W[0]),
        shrink_axis_mask=1,
    )
    with tf.control_dependencies([step]):
        return RAW.ReadVariableOp(resource=handle, dtype=tf.float32)
