"""The names that TensorFlow gives to a SavedModel's functions when it loads them.

It numbers them from one counter that also numbers every tensor of their bodies. The names
are seen nowhere but in the order in which `saved_model_cli` lists the traces of a function:
by name, as text, so that 126 comes before 32. Found out by experiment with TensorFlow 2.21.
"""

from __future__ import annotations

from servable.graph.importer import Library
from servable.pb import saved_model_pb2
from servable.savedmodel.functions import loading_order, plain_name

_BESIDE_TENSORS = 2  # numbers that a function takes beside those of its tensors
_UNSHARED_TABLE = "HashTableV2"
_SHARING = "use_node_name_sharing"


def loaded_names(meta_graph: saved_model_pb2.MetaGraphDef) -> dict[str, str]:
    """Return for each function of a MetaGraph's library the name it has once it is loaded.

    Raises:
        FunctionsUnordered: the functions can not be put in an order of loading.
        ServableError: one of them is broken.
    """
    stored = meta_graph.graph_def.library
    op_defs = {op.name: op for op in meta_graph.meta_info_def.stripped_op_list.op}
    library = Library(stored.function, op_defs)
    counter = 1 + sum(bool(gradient.registered_op_type) for gradient in stored.registered_gradients)
    names = {}
    for name in loading_order(stored):
        for node in library[name].nodes.values():
            counter += len(node.dtypes)
            counter += node.op == _UNSHARED_TABLE and not node.attrs.get(_SHARING)
        counter += _BESIDE_TENSORS
        names[name] = f"__inference_{plain_name(name)}_{counter}"
    return names
