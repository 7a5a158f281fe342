"""Choosing one of a SavedModel's MetaGraphs by its tags."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from servable.pb import saved_model_pb2
from servable.savedmodel.errors import MetaGraphNotFound


def meta_graph_of(
    model: saved_model_pb2.SavedModel, tags: Collection[str]
) -> saved_model_pb2.MetaGraphDef:
    """Return the MetaGraph with exactly these tags; the first if there are several.

    Raises:
        MetaGraphNotFound: there is none; the text is saved_model_cli's.
    """
    wanted = {tag.strip() for tag in tags if tag.strip()}
    for meta_graph in model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == wanted:
            return meta_graph
    available = "; ".join(",".join(m.meta_info_def.tags) for m in model.meta_graphs)
    raise MetaGraphNotFound(
        f"MetaGraphDef associated with tag-set {','.join(tags)} could not be found in the "
        "SavedModel",
        hint=f"The tag sets of the SavedModel: {available or 'none'}. Name all tags of one.",
    )


def default_tags(sets: Sequence[Collection[str]]) -> Collection[str]:
    """Return the tags of the MetaGraph to take where none are named.

    That is the only one, or else the one for serving.

    Args:
        sets: the tags of each MetaGraph.

    Raises:
        MetaGraphNotFound: there are several, and none is tagged `serve` alone.
    """
    if len(sets) == 1:
        return sets[0]
    if any(set(tags) == {"serve"} for tags in sets):
        return ("serve",)
    raise MetaGraphNotFound(
        f"the SavedModel has {len(sets)} MetaGraphs; say which one by its tags",
        hint=f"The tag sets: {'; '.join(','.join(sorted(tags)) for tags in sets) or 'none'}.",
    )
