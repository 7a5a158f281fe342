"""One error for each rule of the format that a SavedModel can break.

A message names the file, and the offset or the key where the rule is broken. The
code says what a server should make of it: DATA_LOSS is damage, NOT_FOUND and
FAILED_PRECONDITION are a model of another kind than was asked for, UNIMPLEMENTED
is sound but not supported, RESOURCE_EXHAUSTED is too large.
"""

from __future__ import annotations

from servable.errors import Code, ServableError


class SavedModelError(ServableError):
    """Base of every error about a SavedModel's files."""

    code = Code.DATA_LOSS


class Incomplete(SavedModelError):
    """Something is not there yet: the copy into the directory may still be running."""

    code = Code.UNAVAILABLE


# The directory and saved_model.pb


class NotASavedModel(SavedModelError):
    """The directory holds neither saved_model.pb nor saved_model.pbtxt."""

    code = Code.NOT_FOUND


class SessionBundleRemoved(SavedModelError):
    """The directory holds an export of the format before SavedModel."""

    code = Code.UNIMPLEMENTED


class FileUnreadable(SavedModelError):
    """The operating system would not give the file, or it is no regular file."""


class FileTooLarge(SavedModelError):
    """A file is larger than its format, or any sensible use of it, allows."""

    code = Code.RESOURCE_EXHAUSTED


class ModelFileInvalid(SavedModelError):
    """saved_model.pb or saved_model.pbtxt is not the message it should be."""


class MetaGraphNotFound(SavedModelError):
    """No MetaGraph has exactly the tags asked for."""

    code = Code.NOT_FOUND


class InitOpInvalid(SavedModelError):
    """It is not clear which op initialises the MetaGraph."""

    code = Code.FAILED_PRECONDITION


class SignatureInvalid(SavedModelError):
    """A signature has an impossible shape or a default value that is no tensor."""


class AssetInvalid(SavedModelError):
    """An asset is not described by a file name and a tensor."""


class ObjectGraphInvalid(SavedModelError):
    """The object graph refers to a node or a function that is not there."""


class StructureInvalid(SavedModelError):
    """A stored structure of Python values can not be understood."""


class FunctionsUnordered(SavedModelError):
    """Functions of the graph call each other in a cycle, or one that is not there."""


class AssetOutside(SavedModelError):
    """An asset's file name leads out of the model's directory."""

    code = Code.PERMISSION_DENIED


# variables.index as a sorted table


class FooterInvalid(SavedModelError):
    """The table does not end in a footer with the magic number."""


class BlockOutOfFile(SavedModelError):
    """A block begins or ends outside the file."""


class BlockChecksumWrong(SavedModelError):
    """A block's bytes do not have the checksum stored behind them."""


class BlockCompressed(SavedModelError):
    """A block is stored compressed, which TensorFlow never does in a checkpoint."""

    code = Code.UNIMPLEMENTED


class BlockInvalid(SavedModelError):
    """A block's entries do not fit together."""


class KeysUnordered(SavedModelError):
    """A key is not greater than the one before it."""


class KeysTooLong(SavedModelError):
    """The keys, written out, are far longer than any writer makes them from such a file."""

    code = Code.RESOURCE_EXHAUSTED


# variables.index as a bundle of tensors


class HeaderInvalid(SavedModelError):
    """The bundle's header is missing or damaged."""


class BigEndian(SavedModelError):
    """The variables were written in big-endian byte order."""

    code = Code.UNIMPLEMENTED


class VersionUnsupported(SavedModelError):
    """The bundle demands a reader of a later version."""

    code = Code.UNIMPLEMENTED


class KeyInvalid(SavedModelError):
    """A key is not text."""


class EntryInvalid(SavedModelError):
    """An entry is not the message it should be, or a number in it is impossible."""


class EntrySizeWrong(SavedModelError):
    """An entry's number of bytes does not follow from its dtype and shape."""


class SliceInvalid(SavedModelError):
    """A slice does not fit its tensor, or the index has no data for it."""


class SlicesOverlap(SavedModelError):
    """Two slices of a tensor hold the same element."""


class SlicesMissing(SavedModelError):
    """The slices of a tensor leave elements out that are asked for."""


# Data shards


class ShardMissing(SavedModelError):
    """A data file that the index names is not there."""


class ShardTruncated(SavedModelError):
    """A data file is shorter than the index says."""


class DataChecksumWrong(SavedModelError):
    """A tensor's bytes do not have the checksum stored in the index."""


class StringsInvalid(SavedModelError):
    """The lengths of a string tensor do not fit its bytes."""


class BoolInvalid(SavedModelError):
    """A bool tensor holds a byte other than 0 and 1."""


class DtypeUnreadable(SavedModelError):
    """A tensor has a dtype without plain values, such as variant."""

    code = Code.UNIMPLEMENTED


class AssembledTooLarge(SavedModelError):
    """A tensor in slices claims more bytes than all data files have."""

    code = Code.RESOURCE_EXHAUSTED


# What a caller asks for


class KeyNotFound(SavedModelError):
    """No tensor of that name is stored."""

    code = Code.NOT_FOUND


class SliceSpecInvalid(SavedModelError):
    """A shape-and-slice text can not be understood, or does not fit the stored tensor."""

    code = Code.INVALID_ARGUMENT


class VariablesClosed(SavedModelError):
    """Read after close: a fault of the program, not of the file."""

    code = Code.FAILED_PRECONDITION
