"""TensorFlow loads what editing writes, and answers as it did before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zoo

from servable import edit, tensors
from servable.edit.errors import EditRefused
from servable.savedmodel.variables import index_path
from servable.tensors import Array

pytestmark = pytest.mark.parity

pytest.importorskip("tensorflow", reason="needs the environment of `make parity`")

LIGHT = [entry for entry in zoo.models() if not entry.heavy]
UNFIT = ("changes the variable", "does more than read", "is not restored into a variable")


def copied(draft: edit.Draft) -> float:
    del draft
    return 0.0


def pruned(draft: edit.Draft) -> float:
    before, after = edit.prune(draft)
    assert after <= before + 20  # a saver of a few nodes may be new
    return 0.0


def frozen(draft: edit.Draft) -> float:
    edit.freeze(draft)
    return 0.0


def smaller(draft: edit.Draft) -> float:
    edit.cast_weights(draft, tensors.BFLOAT16)
    return 0.5  # rounded once; a tree of ReLUs and argmaxes may fall the other way


EDITS: tuple[Callable[[edit.Draft], float], ...] = (copied, pruned, frozen, smaller)


@pytest.mark.parametrize("change", EDITS, ids=lambda change: change.__name__)
@pytest.mark.parametrize("entry", LIGHT, ids=lambda entry: entry.name)
def test_an_edited_model_answers_as_before(
    entry: zoo.Model,
    change: Callable[[edit.Draft], float],
    zoo_cache: Path,
    tmp_path: Path,
) -> None:
    recorded = zoo.recorded(entry, zoo_cache)
    draft = edit.open_draft(recorded.path)
    try:
        tolerance = change(draft)
    except EditRefused as refused:
        if any(reason in refused.message for reason in UNFIT):
            pytest.skip(refused.message)
        raise
    out = draft.save(tmp_path / "edited")
    answers = zoo._asked(out, [call for call, _ in recorded.calls])
    for (call, expected), got in zip(recorded.calls, answers, strict=True):
        assert got.error == expected.error, (call.signature, got.message)
        assert got.outputs.keys() == expected.outputs.keys()
        if tolerance == 0:
            for alias, theirs in expected.outputs.items():
                close(got.outputs[alias], theirs, f"{call.signature}: {alias}")


def close(ours: Array, theirs: Array, where: str) -> None:
    """The same up to the order of sums: constants are folded, so kernels may be others."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), where
    if theirs.dtype.kind in "fcV":
        wide = np.complex128 if theirs.dtype.kind == "c" else np.float64
        np.testing.assert_allclose(
            ours.astype(wide), theirs.astype(wide), rtol=1e-4, atol=1e-5, err_msg=where
        )
    else:
        np.testing.assert_array_equal(ours, theirs, err_msg=where)


def test_a_frozen_model_has_no_variable_files(zoo_cache: Path, tmp_path: Path) -> None:
    entry = next(e for e in LIGHT if e.name.startswith("tf1_mlp"))
    draft = edit.open_draft(zoo.recorded(entry, zoo_cache).path)
    assert edit.freeze(draft) > 0
    out = draft.save(tmp_path / "frozen")
    assert not index_path(out / "variables" / "variables").exists()
