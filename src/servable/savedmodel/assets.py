"""Assets: files beside the graph whose paths are fed to it when it starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from google.protobuf.message import DecodeError

from servable.pb import saved_model_pb2
from servable.savedmodel.errors import AssetInvalid, AssetOutside

DIRECTORY = "assets"
_COLLECTION = "saved_model_assets"
_ANY_NAME = "tensorflow.AssetFileDef"


def read_assets(meta_graph: saved_model_pb2.MetaGraphDef, directory: Path) -> dict[str, Path]:
    """Return the path to feed for each tensor; whether the files exist is not looked at.

    Args:
        meta_graph: its own list counts; the collection that TF1 used is read if
            that is empty.
        directory: the SavedModel.

    Raises:
        AssetInvalid: an entry of the collection is no AssetFileDef.
        AssetOutside: a file name is absolute or leads out of the assets directory.
    """
    root = directory.absolute() / DIRECTORY
    return {
        asset.tensor_info.name: root / _inside(asset.filename, directory)
        for asset in _stored(meta_graph, directory)
    }


def check_links(assets: dict[str, Path], directory: Path) -> None:
    """Refuse assets that are links to somewhere outside the SavedModel.

    Raises:
        AssetOutside: such a link would let a model read any file of the machine.
    """
    for path in assets.values():
        try:
            inside = path.resolve().is_relative_to(directory.resolve())
        except (OSError, RuntimeError):  # a link that leads back to itself
            inside = False
        if not inside:
            raise AssetOutside(
                f"{directory}: asset {path.name!r} is a link that leads out of the model",
                hint="Put a copy of the file into assets/ in place of the link.",
            )


def _stored(
    meta_graph: saved_model_pb2.MetaGraphDef, directory: Path
) -> Iterator[saved_model_pb2.AssetFileDef]:
    if meta_graph.asset_file_def:
        yield from meta_graph.asset_file_def
        return
    if _COLLECTION not in meta_graph.collection_def:
        return
    for item in meta_graph.collection_def[_COLLECTION].any_list.value:
        if item.type_url.rpartition("/")[2] != _ANY_NAME:
            raise AssetInvalid(f"{directory}: an asset is described by a {item.type_url[:200]!r}")
        try:
            yield saved_model_pb2.AssetFileDef.FromString(item.value)
        except DecodeError as error:
            raise AssetInvalid(f"{directory}: an asset's description: {error}") from None


def _inside(filename: str, directory: Path) -> PurePosixPath:
    """Return a file name as a relative path that stays where it is, on every system."""
    path = PurePosixPath(filename)
    foreign = PureWindowsPath(filename)
    if (
        not path.parts
        or path.is_absolute()
        or foreign.drive
        or foreign.root
        or ".." in foreign.parts
        or "\0" in filename
    ):
        raise AssetOutside(f"{directory}: asset {filename[:200]!r} is not a name inside assets/")
    return path
