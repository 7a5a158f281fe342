"""Steps of training: variables move along gradients, and remember some of them.

Models that are trained on where they run have these in a signature of their own. Two
steps at once may lose one of them, as in TensorFlow without `use_locking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.resources import Variable
from servable.ops.support import shape_text

Rule = Callable[..., tuple[Any, ...]]
"""From the values of an op's variables and its other inputs, in order, to new values."""


def _gradient_descent(var: Any, alpha: Any, grad: Any) -> tuple[Any, ...]:
    return (var - grad * alpha,)


def _adadelta(
    var: Any, accum: Any, update: Any, lr: Any, rho: Any, epsilon: Any, grad: Any
) -> tuple[Any, ...]:
    accum = accum * rho + grad * grad * (1 - rho)
    step = np.sqrt(update + epsilon) / np.sqrt(accum + epsilon) * grad
    return var - step * lr, accum, update * rho + step * step * (1 - rho)


def _adamax(
    var: Any, m: Any, v: Any, power: Any, lr: Any, beta1: Any, beta2: Any, epsilon: Any, grad: Any
) -> tuple[Any, ...]:
    m = m + (grad - m) * (1 - beta1)
    v = np.maximum(v * beta2, np.abs(grad))
    return var - lr / (1 - power) * (m / (v + epsilon)), m, v


def _amsgrad(
    var: Any, m: Any, v: Any, most: Any, power1: Any, power2: Any, lr: Any, beta1: Any,
    beta2: Any, epsilon: Any, grad: Any,
) -> tuple[Any, ...]:  # fmt: skip
    rate = lr * np.sqrt(1 - power2) / (1 - power1)
    m = m + (grad - m) * (1 - beta1)
    v = v + (grad * grad - v) * (1 - beta2)
    most = np.maximum(most, v)
    return var - m * rate / (np.sqrt(most) + epsilon), m, v, most


def _rms(
    var: Any, ms: Any, mom: Any, lr: Any, rho: Any, momentum: Any, epsilon: Any, grad: Any
) -> tuple[Any, ...]:
    ms = ms + (grad * grad - ms) * (1 - rho)
    mom = mom * momentum + lr * grad / np.sqrt(ms + epsilon)
    return var - mom, ms, mom


def _centered_rms(
    var: Any, mg: Any, ms: Any, mom: Any, lr: Any, rho: Any, momentum: Any, epsilon: Any, grad: Any
) -> tuple[Any, ...]:
    ms = ms + (grad * grad - ms) * (1 - rho)
    mg = mg + (grad - mg) * (1 - rho)
    mom = mom * momentum + lr * grad / np.sqrt(ms - mg * mg + epsilon)
    return var - mom, mg, ms, mom


def _ftrl(
    var: Any, accum: Any, linear: Any, grad: Any, lr: Any, l1: Any, l2: Any, shrinkage: Any,
    power: Any,
) -> tuple[Any, ...]:  # fmt: skip
    total = accum + grad * grad
    grown = total**-power
    sigma = (grown - accum**-power) / lr
    linear = linear + (grad + 2 * shrinkage * var) - sigma * var
    quadratic = grown / lr + 2 * l2
    moved = (np.sign(linear) * l1 - linear) / quadratic
    return np.where(np.abs(linear) > l1, moved, 0), total, linear


def _plain_ftrl(
    var: Any, accum: Any, linear: Any, grad: Any, lr: Any, l1: Any, l2: Any, power: Any
) -> tuple[Any, ...]:
    return _ftrl(var, accum, linear, grad, lr, l1, l2, l2 * 0, power)


_RULES: Mapping[str, tuple[int, Rule]] = {
    "ResourceApplyAdaMax": (3, _adamax),
    "ResourceApplyAdadelta": (3, _adadelta),
    "ResourceApplyAdamWithAmsgrad": (4, _amsgrad),
    "ResourceApplyCenteredRMSProp": (4, _centered_rms),
    "ResourceApplyGradientDescent": (1, _gradient_descent),
    "ResourceApplyRMSProp": (3, _rms),
}
"""By op: how many variables its inputs begin with, and its rule."""


def _step(count: int, rule: Rule) -> Kernel:
    def kernel(*args: Any) -> None:
        variables: list[Variable] = list(args[:count])
        old = [variable.read() for variable in variables]
        for value in (*old[1:], *(other for other in args[count:] if np.ndim(other))):
            if np.shape(value) != old[0].shape:
                raise InvalidArgument(
                    "var and its accumulators and gradient do not have the same shape"
                    f" {shape_text(old[0])} {shape_text(value)}"
                )
        made = rule(*old, *args[count:])
        for variable, before, value in zip(variables, old, made, strict=True):
            variable.assign(np.asarray(value, before.dtype))

    return kernel


def _register(name: str, count: int, rule: Rule) -> None:
    @op(name, no_effect="use_locking")
    def make(build: Build) -> Kernel:
        del build
        return _step(count, rule)


for _name, (_count, _rule) in _RULES.items():
    _register(_name, _count, _rule)


@op("ResourceApplyMomentum", attrs="use_nesterov", no_effect="use_locking")
def momentum_step(build: Build) -> Kernel:
    """A step along a mean of the gradients; Nesterov's looks one step ahead."""
    ahead = build.bool("use_nesterov")

    def rule(var: Any, accum: Any, lr: Any, grad: Any, momentum: Any) -> tuple[Any, ...]:
        accum = accum * momentum + grad
        return var - (grad + accum * momentum if ahead else accum) * lr, accum

    return _step(2, rule)


@op("ResourceApplyKerasMomentum", attrs="use_nesterov", no_effect="use_locking")
def keras_momentum_step(build: Build) -> Kernel:
    """Momentum whose accumulator holds the step itself, with the learning rate in it."""
    ahead = build.bool("use_nesterov")

    def rule(var: Any, accum: Any, lr: Any, grad: Any, momentum: Any) -> tuple[Any, ...]:
        accum = accum * momentum - grad * lr
        return var + (accum * momentum - grad * lr if ahead else accum), accum

    return _step(2, rule)


@op("ResourceApplyAdagrad", attrs="update_slots", no_effect="use_locking")
def adagrad_step(build: Build) -> Kernel:
    """A step whose size shrinks with the sum of all squared gradients."""
    grows = build.bool("update_slots")

    def rule(var: Any, accum: Any, lr: Any, grad: Any) -> tuple[Any, ...]:
        accum = accum + grad * grad if grows else accum
        return var - grad * lr / np.sqrt(accum), accum

    return _step(2, rule)


@op("ResourceApplyAdagradV2", attrs="update_slots", no_effect="use_locking")
def adagrad_v2_step(build: Build) -> Kernel:
    """Adagrad with a number that keeps the divisor from 0."""
    grows = build.bool("update_slots")

    def rule(var: Any, accum: Any, lr: Any, epsilon: Any, grad: Any) -> tuple[Any, ...]:
        accum = accum + grad * grad if grows else accum
        return var - grad * lr / (np.sqrt(accum) + epsilon), accum

    return _step(2, rule)


@op("ResourceApplyAdam", attrs="use_nesterov", no_effect="use_locking")
def adam_step(build: Build) -> Kernel:
    """A step by the running mean of the gradients over that of their magnitudes."""
    ahead = build.bool("use_nesterov")

    def rule(
        var: Any, m: Any, v: Any, power1: Any, power2: Any, lr: Any, beta1: Any, beta2: Any,
        epsilon: Any, grad: Any,
    ) -> tuple[Any, ...]:  # fmt: skip
        rate = lr * np.sqrt(1 - power2) / (1 - power1)
        m = m + (grad - m) * (1 - beta1)
        v = v + (grad * grad - v) * (1 - beta2)
        towards = grad * (1 - beta1) + beta1 * m if ahead else m
        return var - towards * rate / (np.sqrt(v) + epsilon), m, v

    return _step(3, rule)


def _follow(build: Build, rule: Rule) -> Kernel:
    if build.bool("multiply_linear_by_lr"):
        raise build.unsupported("multiply_linear_by_lr=true")
    return _step(3, rule)


@op("ResourceApplyFtrl", no_effect="use_locking multiply_linear_by_lr")
def ftrl_step(build: Build) -> Kernel:
    """Follow the regularised leader: weights of little use become exactly 0."""
    return _follow(build, _plain_ftrl)


@op("ResourceApplyFtrlV2", no_effect="use_locking multiply_linear_by_lr")
def ftrl_v2_step(build: Build) -> Kernel:
    """Follow the regularised leader, with a penalty that shrinks weights while learning."""
    return _follow(build, _ftrl)
