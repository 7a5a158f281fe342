"""Write src/servable/graph/opdefs.json: argument and attribute names of TensorFlow's ops.

Run it with a Python that has TensorFlow, when the oracle's version changes. The table
holds facts of the format only: which inputs and outputs an op has, which attributes,
their kinds and defaults. The importer needs them to resolve `node:output:index`
inside functions, to fill in attributes that were stripped, and to know dtypes.

An argument is written `name:TYPE`, where TYPE is a dtype number, the name of a type
attribute, `N*TYPE` for a sequence, or `[ATTR]` for a list of types; `&` in front
marks a reference.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

OUT = Path(__file__).resolve().parent.parent / "src/servable/graph/opdefs.json"

# Families that no serving graph is made of, or that reach outside the process.
LEFT_OUT = re.compile(
    r"^_|XLA|TPU|Tpu|Dataset|Collective|Nccl|Cudnn|(?<!Optimization)Barrier|Queue|Reader|RPC|Rpc|Ragged.*Grad"
    r"|Experimental|Summary|Checkpoint$|Sdca|Boosted|Mkl|Debug|Iterator|Delegate|Accumulator"
    r"|Xla(AllReduce|Cluster|ConcatND|CustomCall|Dequantize|Host|If|Launch|Recv|ReduceScatter|Send)"
    r"|Xla(Set|Remove|Sparse|SplitND|While)"
    r"|Collate|Fusion|Sendrecv|Send$|Recv$|Kmeans|Distributed|Gpu|Cuda|Infeed|Outfeed|Stitch.*V3"
)


def argument(arg: Any) -> str:
    """Write one input or output argument in the table's notation."""
    if arg.type_list_attr:
        kind = f"[{arg.type_list_attr}]"
    else:
        kind = arg.type_attr or str(arg.type)
        if arg.number_attr:
            kind = f"{arg.number_attr}*{kind}"
    return f"{'&' if arg.is_ref else ''}{arg.name}:{kind}"


def value(attr: Any) -> Any:
    """Write an attribute's default as JSON."""
    kind = attr.WhichOneof("value")
    if kind == "list":
        fields = attr.list.ListFields()
        return [] if not fields else [scalar(fields[0][0].name, v) for v in fields[0][1]]
    return scalar(kind, getattr(attr, kind))


def scalar(kind: str, item: Any) -> Any:
    """Write one attribute value as JSON; None is the unknown shape."""
    if kind == "s":
        return item.decode("utf-8") if item.isascii() else {"b64": base64.b64encode(item).decode()}
    if kind == "shape":
        return None if item.unknown_rank else [d.size for d in item.dim]
    if kind == "func":
        return item.name
    if kind == "tensor":
        return {"tensor": base64.b64encode(item.SerializeToString()).decode()}
    if kind == "f" and item != item:
        return "nan"
    return item


def main() -> None:
    """Read the oracle's registry and write the table."""
    ops = op_def_pb2.OpList.FromString(
        pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    )
    table = {}
    for op in sorted(ops.op, key=lambda o: o.name):
        if LEFT_OUT.search(op.name):
            continue
        row: dict[str, Any] = {
            "in": [argument(a) for a in op.input_arg],
            "out": [argument(a) for a in op.output_arg],
            "attr": {
                a.name: [a.type, value(a.default_value)]
                if a.HasField("default_value")
                else [a.type]
                for a in op.attr
            },
        }
        table[op.name] = {k: v for k, v in row.items() if v}
        if op.is_stateful:
            table[op.name]["stateful"] = True
    lines = ",\n".join(
        f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in table.items()
    )
    OUT.write_text("{\n" + lines + "\n}\n")
    print(f"{len(table)} ops, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
