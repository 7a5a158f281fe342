"""Laws of the special functions and solvers, and bounds on what a request can ask for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.errors import ResourceExhausted, ServableError
from servable.graph import schema
from servable.graph.ir import FunctionRef, Node, UnsupportedOps, Value
from servable.ops import bessel, error_functions, gamma_functions
from servable.ops.registry import Body, Environment, Kernel, registered
from servable.ops.resources import Resources
from servable.tensors import COMPLEX64, DOUBLE, FLOAT, INT32, Array, DType

Test: TypeAlias = Callable[..., None]


def law(*arguments: st.SearchStrategy[Any]) -> Callable[[Test], Test]:
    """A test of many values, in which arithmetic is as silent as in the engine."""

    def decorate(test: Test) -> Test:
        quiet = np.errstate(all="ignore")(test)
        return settings(deadline=None)(given(*arguments)(quiet))

    return decorate


LONG = np.zeros((1_000_000, 1), np.float32)
NOTHING = np.zeros((1_000_000, 0), np.float32)


def _no_body(ref: FunctionRef) -> Body:
    raise AssertionError(ref)


def _kernel(op: str, dtype: DType, inputs: int = 2, **attributes: Any) -> Kernel:
    known = schema.known(op)
    assert known is not None
    attrs: dict[str, Any] = {name: spec.default for name, spec in known.attrs.items()}
    attrs |= {name: dtype for name, spec in known.attrs.items() if spec.kind == "type"}
    attrs |= attributes
    values = tuple(Value(f"x{i}") for i in range(inputs))
    node = Node(op, op, values, (), attrs, (dtype,))
    return registered()[op].build(node, Environment(Resources(), None, _no_body))


@pytest.mark.parametrize(
    ("op", "attributes", "arrays"),
    [
        ("AddV2", {}, (LONG, LONG.T)),
        ("Less", {}, (LONG, LONG.T)),
        ("SelectV2", {}, (LONG > 0, LONG.T, LONG.T)),
        ("Complex", {}, (LONG, LONG.T)),
        ("Igamma", {}, (LONG, LONG.T)),
        ("MatMul", {}, (NOTHING, NOTHING.T)),
        ("BatchMatMulV2", {}, (NOTHING, NOTHING.T)),
        ("Einsum", {"equation": b"ij,kj->ik"}, (NOTHING, NOTHING)),
        ("Einsum", {"equation": b"ij,kl->ik"}, (LONG, LONG)),
        ("MatrixTriangularSolve", {}, (np.zeros((10**6, 1, 1), "f"), np.zeros((1, 10**4), "f"))),
        ("Qr", {"full_matrices": True}, (LONG,)),
        ("Svd", {"full_matrices": True}, (LONG,)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_results_that_no_request_should_ask_for_are_refused(
    op: str, attributes: dict[str, Any], arrays: tuple[Array, ...]
) -> None:
    kernel = _kernel(op, FLOAT, len(arrays), **attributes)
    with pytest.raises(ResourceExhausted, match="OOM when allocating tensor with shape"):
        kernel(*arrays)


@pytest.mark.parametrize("length", [-1, 0, 2**31 - 1])
def test_lengths_that_no_transform_has_are_refused(length: int) -> None:
    kernel = _kernel("RFFT", FLOAT, Treal=FLOAT, Tcomplex=COMPLEX64)
    with pytest.raises(ServableError):
        kernel(np.zeros((4, 8), np.float32), np.array([length], np.int32))


@pytest.mark.parametrize(
    "equation", ["ij", "ij->ij->ij", "ij,jk,kl->il", "...i...->i", "ij->k", "ij,jk->ik"]
)
def test_an_equation_that_does_not_fit_one_input_is_refused_at_load(equation: str) -> None:
    with pytest.raises(UnsupportedOps, match="Einsum with"):
        _kernel("Einsum", FLOAT, 1, equation=equation.encode())


def _points(low: float, high: float) -> st.SearchStrategy[Array]:
    numbers = st.floats(low, high, allow_subnormal=False)
    return st.lists(numbers, min_size=1, max_size=20).map(np.array)


@law(_points(-4, 4))
def test_erfinv_undoes_erf(x: Array) -> None:
    y = error_functions.erf(x)
    # As exactly as the numbers near 1 are spaced.
    slope = 2 / math.sqrt(math.pi) * np.exp(-x * x)
    np.testing.assert_allclose(error_functions.erfinv(y), x, rtol=1e-13, atol=1e-15 / slope.min())


@law(_points(-25, 25))
def test_erf_and_erfc_make_one(x: Array) -> None:
    total = error_functions.erf(x) + error_functions.erfc(x)
    np.testing.assert_allclose(total, 1, rtol=1e-15)


@law(_points(-4, 4))
def test_erf_of_float32_is_within_a_millionth(x: Array) -> None:
    found = error_functions.erf(x.astype(np.float32))
    assert found.dtype == np.float32
    expected = [math.erf(value) for value in x.astype(np.float32).tolist()]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-30)


@law(_points(-170.5, 170))
def test_lgamma_is_what_the_c_library_says(x: Array) -> None:
    x = np.where(x == np.floor(x), x + 0.5, x)
    expected = [math.lgamma(value) for value in x.tolist()]
    np.testing.assert_allclose(gamma_functions.lgamma(x), expected, rtol=1e-12, atol=1e-11)


@law(_points(0.01, 100))
def test_digamma_climbs_by_the_reciprocal(x: Array) -> None:
    step = gamma_functions.digamma(x + 1) - gamma_functions.digamma(x)
    np.testing.assert_allclose(step, 1 / x, rtol=1e-11)


@law(_points(0.05, 60), st.floats(0.05, 60))
def test_the_incomplete_gammas_make_one(a: Array, number: float) -> None:
    x = np.full_like(a, number)
    total = gamma_functions.igamma(a, x) + gamma_functions.igammac(a, x)
    np.testing.assert_allclose(total, 1, rtol=1e-13)


@law(_points(0.1, 30), st.floats(0.1, 30), st.floats(0.01, 0.99))
def test_the_incomplete_beta_has_its_mirror(a: Array, second: float, number: float) -> None:
    b, x = np.full_like(a, second), np.full_like(a, number)
    mirrored = 1 - gamma_functions.betainc(b, a, 1 - x)
    np.testing.assert_allclose(gamma_functions.betainc(a, b, x), mirrored, atol=1e-12)


@law(_points(1.1, 20), st.floats(0.1, 20))
def test_zeta_drops_its_first_term(x: Array, number: float) -> None:
    q = np.full_like(x, number)
    whole, rest = gamma_functions.zeta(x, q), gamma_functions.zeta(x, q + 1)
    np.testing.assert_allclose(rest + q**-x, whole, rtol=1e-13)


@law(_points(0.01, 200))
def test_bessel_functions_keep_their_wronskians(x: Array) -> None:
    wave = bessel.j(1, x) * bessel.y(0, x) - bessel.j(0, x) * bessel.y(1, x)
    np.testing.assert_allclose(wave * x, 2 / np.pi, rtol=1e-11)
    i0, i1 = (bessel.i(n, x, scaled=True) for n in (0, 1))
    k0, k1 = (bessel.k(n, x, scaled=True) for n in (0, 1))
    np.testing.assert_allclose((i0 * k1 + i1 * k0) * x, 1, rtol=1e-13)


def _system(seed: int, size: int) -> tuple[Array, Array, Array]:
    """Three diagonals, their matrix, and right-hand sides."""
    rng = np.random.default_rng(seed)
    diagonals = rng.normal(size=(3, size))
    matrix = np.diag(diagonals[1])
    matrix += np.diag(diagonals[0, :-1], 1) + np.diag(diagonals[2, 1:], -1)
    return diagonals, matrix, rng.normal(size=(size, 2))


@law(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_a_tridiagonal_solution_solves(seed: int, size: int) -> None:
    diagonals, matrix, rhs = _system(seed, size)
    x = _kernel("TridiagonalSolve", DOUBLE)(diagonals, rhs)
    scale = np.abs(x).max() * np.abs(matrix).max()
    np.testing.assert_allclose(matrix @ x, rhs, atol=1e-11 * max(scale, 1))


@law(st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans(), st.booleans())
def test_a_triangular_solution_solves(seed: int, size: int, lower: bool, adjoint: bool) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(size, size)) + 4 * np.eye(size)
    rhs = rng.normal(size=(size, 2))
    x = _kernel("MatrixTriangularSolve", DOUBLE, lower=lower, adjoint=adjoint)(matrix, rhs)
    half = np.tril(matrix) if lower else np.triu(matrix)
    np.testing.assert_allclose((half.T if adjoint else half) @ x, rhs, atol=1e-10)


@law(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_lu_factors_the_rows_in_its_order(seed: int, size: int) -> None:
    matrix = np.random.default_rng(seed).normal(size=(2, size, size))
    factors, order = _kernel("Lu", DOUBLE, 1, output_idx_type=INT32)(matrix)
    lower = np.tril(factors, -1) + np.eye(size)
    for one, low, high, rows in zip(matrix, lower, np.triu(factors), order, strict=True):
        np.testing.assert_allclose(low @ high, one[rows], atol=1e-12)
        assert np.abs(low).max() <= 1
