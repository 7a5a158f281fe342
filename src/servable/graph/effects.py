"""Which ops do more than compute their outputs from their inputs."""

from __future__ import annotations

import functools

from servable.graph.ir import ARG, Node
from servable.graph.schema import stateful, takes_reference

# TensorFlow flags these as stateful because their handles live outside the graph.
# Making the handle twice, or not at all, can not be noticed.
_HANDLES = frozenset(
    {
        "HashTableV2",
        "HashTable",
        "MutableHashTable",
        "MutableHashTableV2",
        "MutableDenseHashTableV2",
        "MutableHashTableOfTensors",
        "MutableHashTableOfTensorsV2",
        "VarHandleOp",
        "VariableV2",
        "Variable",
        "Placeholder",
        "PlaceholderWithDefault",
        "PartitionedCall",
    }
)

# Not flagged by TensorFlow, but what they do to a variable or table is their point.
_WRITES = (
    "Assign",
    "Scatter",
    "LookupTableImport",
    "LookupTableInsert",
    "LookupTableRemove",
    "InitializeTable",
    "CountUpTo",
)
_PURE_SCATTER = ("ScatterNd", "ScatterNdNonAliasingAdd")

# Of the ops on references, these leave the variable as it is.
_REF_READS = frozenset(
    {
        "IsVariableInitialized",
        "LookupTableExport",
        "LookupTableFind",
        "LookupTableSize",
        "RefEnter",
        "RefExit",
        "RefIdentity",
        "RefMerge",
        "RefNextIteration",
        "RefSelect",
        "RefSwitch",
    }
)

# TensorFlow flags these so that no two of them share a buffer that is written to later.
# Nothing here writes to a value once it is made.
_COPIES = frozenset({"DeepCopy", "Empty", "GuaranteeConst"})

# No more than their outputs, which only a trainer writes to a file.
_SUMMARIES = frozenset(
    {
        "AudioSummary",
        "AudioSummaryV2",
        "HistogramSummary",
        "ImageSummary",
        "MergeSummary",
        "ScalarSummary",
        "TensorSummary",
        "TensorSummaryV2",
    }
)

# TensorFlow flags it because the answer depends on the device. There is one kind here.
_BY_DEVICE = frozenset({"DeviceIndex", "StatelessRandomGetAlg"})

# Of the ops that must stay in order with writes, these write nothing.
_LOOKS = frozenset(
    {
        "Assert",
        "LookupTableExport",
        "LookupTableExportV2",
        "LookupTableFind",
        "LookupTableFindV2",
        "LookupTableSize",
        "LookupTableSizeV2",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "VarIsInitializedOp",
        "VariableShape",
    }
)


@functools.cache
def has_effect(op: str) -> bool:
    """Whether leaving a node of this op out, or moving it, can be noticed.

    Reading a variable counts, because it must stay in order with assignments;
    reads of variables that nothing assigns have become constants before anyone asks.
    """
    if op in _HANDLES or op in _COPIES or op in _BY_DEVICE or op in _SUMMARIES or op == ARG:
        return False
    if op.startswith(_WRITES) and op not in _PURE_SCATTER:
        return True
    # TensorFlow does not flag what changes a variable through a reference, such as a
    # step of training.
    return stateful(op) or (op not in _REF_READS and takes_reference(op))


def leaves_trace(op: str) -> bool:
    """Whether a later run can tell that a node of this op has been run."""
    return has_effect(op) and op not in _LOOKS


def is_pure(node: Node) -> bool:
    """Whether a node can be dropped, merged with an equal one or computed at load."""
    return not has_effect(node.op) and node.op not in _HANDLES and node.op != ARG
