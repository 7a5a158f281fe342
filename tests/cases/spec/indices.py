"""Indices and dimensions counted in another way."""

import numpy as np
from record_cases import raw_case


def _whole(values, dtype=np.int32):
    return np.array(values, dtype)


for _indices, _dims in (
    ([5, 0, 23], [2, 3, 4]),
    (7, [3, 4]),
    ([], [3, 4]),
    ([1], []),
    ([12], [3, 4]),
    ([-1], [3, 4]),
    ([0], [3, 0]),
    ([[1]], [3, 4]),
    ([1], [[3, 4]]),
    ([3, 4], [5]),
    ([1], [2**31 - 1, 2**31 - 1, 2**31 - 1]),
):
    for _dtype in (np.int32, np.int64):
        _fed = {"indices": _whole(_indices, _dtype), "dims": _whole(_dims, _dtype)}
        raw_case("UnravelIndex", "", _fed, ranks=False)

for _x in ([0, 1, 2, 3], [[-4, -1]], 2, [4], [-5], []):
    raw_case("DataFormatDimMap", "", {"x": _whole(_x)}, ranks=False)
for _formats in (("NHWC", "NCHW"), ("NCHW", "NHWC"), ("NHWC", "HWNC"), ("NDHWC", "NCDHW")):
    _attrs = {"src_format": _formats[0], "dst_format": _formats[1]}
    raw_case("DataFormatDimMap", str(_formats), {"x": _whole([0, 1, 2, 3], np.int64)}, **_attrs)
    _size = len(_formats[0])
    for _x in (np.arange(_size), np.arange(2 * _size).reshape(-1, 2), np.arange(_size - 2)):
        raw_case("DataFormatVecPermute", str(_formats), {"x": _x}, **_attrs)
for _x in ([1, 2, 3], [[1, 2, 3]], 1, [[[1]]], [[1, 2], [3, 4]]):
    raw_case("DataFormatVecPermute", "", {"x": _whole(_x)}, ranks=False)

for _true, _sampled in (
    ([[1, 2], [3, 4]], [5, 3, 1, 1]),
    ([[1, 1]], [1]),
    ([[1, 2]], [7, 8]),
    ([[0, 5], [1, 2]], []),
    ([[1], [2]], [1]),
    ([1, 2], [1]),
    ([[1, 2]], [[1]]),
):
    _fed = {
        "true_classes": _whole(_true, np.int64),
        "sampled_candidates": _whole(_sampled, np.int64),
    }
    raw_case("ComputeAccidentalHits", "", _fed, ranks=False, num_true=2)
_fed = {"true_classes": _whole([[1], [2]], np.int64), "sampled_candidates": _whole([2], np.int64)}
raw_case("ComputeAccidentalHits", "one", _fed, num_true=1, seed=3)
