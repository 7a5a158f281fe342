"""Convolutions with what comes before them."""

import numpy as np
from record_cases import raw_case

rng = np.random.default_rng(57)


def _values(shape, dtype=np.float32):
    return rng.normal(size=shape).astype(dtype)


def _fused(op, x=(1, 5, 6, 3), filters=(3, 2, 3, 4), paddings=(1, 1, 2, 0), **more):
    top, bottom, left, right = paddings
    attrs = {"mode": "REFLECT", "strides": [1, 1, 1, 1], "padding": "VALID"}
    attrs.update({name: more.pop(name) for name in list(more) if name in attrs})
    dtype = more.pop("dtype", np.float32)
    fed = {"input": _values(x, dtype), "filter": _values(filters, dtype)}
    if op == "FusedResizeAndPadConv2D":
        more["size"] = more.get("size", (7, 4))
    raw_case(
        op,
        f"{attrs['mode']} {paddings}",
        fed,
        paddings=[[0, 0], [top, bottom], [left, right], [0, 0]],
        **attrs,
        **more,
    )


for _op in ("FusedPadConv2D", "FusedResizeAndPadConv2D"):
    for _mode in ("REFLECT", "SYMMETRIC"):
        _fused(_op, mode=_mode)
    _fused(_op, strides=[1, 2, 2, 1])
    _fused(_op, padding="SAME")
    _fused(_op, paddings=(0, 0, 0, 0))
    _fused(_op, paddings=(5, 0, 0, 0), x=(1, 4, 4, 3), **({"size": (4, 4)} if "Res" in _op else {}))
    _fused(_op, filters=(3, 2, 2, 4))
for _aligned in (False, True):
    _fused("FusedResizeAndPadConv2D", resize_align_corners=_aligned, size=(9, 3))
_fused("FusedPadConv2D", dtype=np.float64)
_fused("FusedResizeAndPadConv2D", size=(0, 3))
