"""Levenshtein distances of the rows of sparse tensors."""

import numpy as np
from record_cases import raw_case

I64 = np.int64
# kitten, nothing, flaw, and a row that only one of them has.
A = np.array([[0, i] for i in range(6)] + [[2, i] for i in range(4)] + [[3, 0], [3, 1]], I64)
B = np.array([[0, i] for i in range(7)] + [[1, 0], [1, 1]] + [[2, i] for i in range(4)], I64)
A_TEXT = np.array([*(b"%c" % c for c in b"kittenflawab"), None], object)[:-1]
B_TEXT = np.array([*(b"%c" % c for c in b"sittingxylawn"), None], object)[:-1]
A_CODES, B_CODES = (np.array([t[0] for t in x], I64) for x in (A_TEXT, B_TEXT))
A_SHAPE, B_SHAPE = np.array([4, 6], I64), np.array([3, 7], I64)
NONE = np.zeros((0, 2), I64)
CUBE = np.array([[0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0]], I64)
CUBE_SHAPE = np.array([2, 2, 3], I64)


def distance(note, a, b, *, ranks=True, **more):
    parts = ("indices", "values", "shape")
    fed = {f"hypothesis_{part}": x for part, x in zip(parts, a, strict=True)}
    fed |= {f"truth_{part}": x for part, x in zip(parts, b, strict=True)}
    raw_case("EditDistance", note, fed, ranks=ranks, **more)


ONE, TWO = (A, A_CODES, A_SHAPE), (B, B_CODES, B_SHAPE)
for _normalize in (False, True):
    _is = f"normalized {_normalize}: "
    distance(_is + "numbers", ONE, TWO, normalize=_normalize)
    distance(_is + "the other way", TWO, ONE, normalize=_normalize)
    _words = ((A, A_TEXT, A_SHAPE), (B, B_TEXT, B_SHAPE))
    distance(_is + "strings", *_words, normalize=_normalize)
    _nothing = (NONE, A_CODES[:0], A_SHAPE)
    distance(_is + "nothing", _nothing, TWO, normalize=_normalize)
    distance(_is + "with nothing", ONE, _nothing, normalize=_normalize)
    distance(_is + "nothing with nothing", _nothing, _nothing, normalize=_normalize)
    _cube = (CUBE[1:], A_CODES[:3], CUBE_SHAPE)
    distance(_is + "cubes", (CUBE, A_CODES[:4], CUBE_SHAPE), _cube, normalize=_normalize)
for _dtype in (np.int8, np.float32, bool):
    _parts = [(i, v.astype(_dtype), s) for i, v, s in (ONE, TWO)]
    distance(f"of {np.dtype(_dtype).name}", *_parts)
_nul = np.array([b"a\0", b"a", b"", None], object)[:-1]
distance("strings that end in zeros", (A[:3], _nul, A_SHAPE), (A[:3], _nul[[1, 1, 0]], A_SHAPE))
_nan = np.array([np.nan, 0.0, 1.0])
distance("not a number", (A[:3], _nan, A_SHAPE), (A[:3], -_nan, A_SHAPE))
distance("unordered", (A[::-1].copy(), A_CODES, A_SHAPE), TWO)
distance("outside", (np.array([[9, 0]], I64), A_CODES[:1], A_SHAPE), TWO)
distance("negative", (np.array([[-1, 0]], I64), A_CODES[:1], A_SHAPE), TWO)
distance("empty", (NONE, A_CODES[:0], A_SHAPE * 0), (NONE, A_CODES[:0], A_SHAPE * 0))
distance(
    "vectors",
    (A[:6, 1:], A_CODES[:6], A_SHAPE[1:]),
    (B[:7, 1:], B_CODES[:7], B_SHAPE[1:]),
    ranks=False,
)
distance("other ranks", (CUBE, A_CODES[:4], CUBE_SHAPE), TWO, ranks=False)
for _number, _part in enumerate(("indices", "values", "shape")):
    _wrong = list(ONE)
    _wrong[_number] = _wrong[_number][None]
    distance(f"larger rank of {_part}", _wrong, TWO, ranks=False)
    distance(f"larger rank of the other's {_part}", TWO, _wrong, ranks=False)
distance("too few values", (A, A_CODES[:3], A_SHAPE), TWO, ranks=False)
distance("too few sizes", (A, A_CODES, A_SHAPE[:1]), TWO, ranks=False)
distance("negative size", (NONE, A_CODES[:0], -A_SHAPE), TWO, ranks=False)
