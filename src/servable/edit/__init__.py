"""SavedModels built and changed, as the messages they are stored as."""

from servable.edit.builder import SavedModelBuilder
from servable.edit.cast import cast_weights
from servable.edit.draft import Draft, open_draft
from servable.edit.freeze import Frozen, freeze, frozen_graph
from servable.edit.prune import prune
from servable.edit.tensor_infos import (
    build_signature_def,
    build_tensor_info,
    classification_signature_def,
    predict_signature_def,
    regression_signature_def,
    tensor_info_of,
)
from servable.edit.verbs import (
    add_extra_file,
    add_signature,
    clear_devices,
    drop_meta_graph,
    drop_signature,
    rename_signature,
)

__all__ = [
    "Draft",
    "Frozen",
    "SavedModelBuilder",
    "add_extra_file",
    "add_signature",
    "build_signature_def",
    "build_tensor_info",
    "cast_weights",
    "classification_signature_def",
    "clear_devices",
    "drop_meta_graph",
    "drop_signature",
    "freeze",
    "frozen_graph",
    "open_draft",
    "predict_signature_def",
    "prune",
    "regression_signature_def",
    "rename_signature",
    "tensor_info_of",
]
