"""Models written in Python: a `model.py` in the version folder, run inside this process.

It may do whatever the server may. Nothing of this is used unless a config file or the
command line asks for the platform by its name.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from servable import tensors
from servable.contracts import Servable
from servable.errors import (
    FailedPrecondition,
    Internal,
    InvalidArgument,
    ServableError,
)
from servable.savedmodel.errors import Incomplete
from servable.savedmodel.files import read_bytes, size_of
from servable.servables.formats import memory_estimate
from servable.tensors import STRING, Array, DType, Signature, TensorSpec

log = logging.getLogger(__name__)

FILE_NAME = "model.py"
CLASS_NAME = "Model"

_MOST_SOURCE_BYTES = 2**24
_NUMBERS = itertools.count(1)
_NAMES = {dtype.name: dtype for dtype in tensors.DTYPES}


def check_complete(path: Path) -> None:
    """Return if a version folder has its `model.py`.

    Raises:
        Incomplete: it has none, or an empty one.
    """
    if not size_of(path / FILE_NAME):
        raise Incomplete(f"INCOMPLETE: {FILE_NAME} missing")


class CodeLoader:
    """Loads a `model.py`. A `contracts.Loader`.

    The file has a class `Model`. It is made with the version folder's path, has
    `signatures`, and a method `predict(signature, inputs)`, which may be called from
    many threads at once. If it has a method `close`, that is called at the end.

    Args:
        path: the version folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._module: ModuleType | None = None
        self._servable: CodeServable | None = None

    def estimate_resources(self) -> int:
        """Bytes: the size of all files, and a fifth more."""
        return memory_estimate(self._path)

    def load(self) -> None:
        """Run the file, and make its model.

        Raises:
            InvalidArgument: the file is no Python, has no `Model`, or that has no
                signatures.
            Internal: it ended, by `sys.exit` for example.
        """
        file = self._path / FILE_NAME
        log.warning("%s is run in this process: it may do whatever the server may", file)
        try:
            module = _run(file)
            try:
                made = _class(module, file)(self._path)
                self._servable = CodeServable(made, file)
            except BaseException:
                del sys.modules[module.__name__]
                raise
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise Internal(f"{FILE_NAME}: {type(error).__name__}: {error}") from error
        self._module = module

    def unload(self) -> None:
        """Close the model, and forget its code."""
        servable, self._servable = self._servable, None
        module, self._module = self._module, None
        try:
            if servable is not None:
                servable.close()
        finally:
            if module is not None:
                sys.modules.pop(module.__name__, None)

    def servable(self) -> Servable:
        """The loaded model.

        Raises:
            FailedPrecondition: `load` has not succeeded.
        """
        if self._servable is None:
            raise FailedPrecondition(f"{self._path} is not loaded")
        return self._servable


class CodeServable:
    """A model written in Python: a `contracts.Servable`. As thread-safe as that is.

    Args:
        model: has `signatures` and `predict`.
        file: where it is from, for error texts.

    Raises:
        InvalidArgument: it has not, or signatures of another structure.
    """

    def __init__(self, model: Any, file: Path) -> None:
        self._model = model
        self._file = file
        if not callable(getattr(model, "predict", None)):
            raise InvalidArgument(f"{file}: {CLASS_NAME} has no method predict")
        self._signatures = _signatures(getattr(model, "signatures", None), file)

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signature name -> signature."""
        return self._signatures

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Call `predict`; see `contracts.Servable`.

        Raises:
            InvalidArgument: `predict` raised a ValueError.
            Internal: it raised something else, or returned something else than outputs.
        """
        try:
            outputs = self._model.predict(signature, dict(inputs))
        except ServableError:
            raise
        except ValueError as error:
            raise InvalidArgument(str(error)) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # A stranger's code, which may call sys.exit, or panic in Rust; the server goes on.
            log.exception("%s: predict failed", self._file)
            raise Internal(f"{FILE_NAME}: {type(error).__name__}: {error}") from error
        if not isinstance(outputs, Mapping):
            raise Internal(f"{FILE_NAME}: predict returned no mapping of outputs")
        specs = self._signatures[signature].outputs
        return {alias: _output(alias, outputs, specs[alias]) for alias in fetches}

    def close(self) -> None:
        """Call the model's own `close`, if it has one."""
        close = getattr(self._model, "close", None)
        if callable(close):
            close()


def _run(file: Path) -> ModuleType:
    """Return the module that a file is. It is not imported: that would write beside it."""
    module = ModuleType(f"servable_code_model_{next(_NUMBERS)}")
    module.__file__ = str(file)
    source = read_bytes(file, limit=_MOST_SOURCE_BYTES)
    try:
        code = compile(source, str(file), "exec")
    except (SyntaxError, ValueError) as error:
        raise InvalidArgument(f"{file} is no Python that can be run: {error}") from error
    sys.modules[module.__name__] = module  # dataclasses and pickle look for it
    try:
        exec(code, module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _class(module: ModuleType, file: Path) -> Any:
    found = getattr(module, CLASS_NAME, None)
    if not callable(found):
        raise InvalidArgument(f"{file} has no class {CLASS_NAME}")
    return found


def _signatures(declared: Any, file: Path) -> Mapping[str, Signature]:
    """Return the signatures that a model declares as plain mappings."""
    try:
        found = {
            str(name): Signature(_side(sides["inputs"]), _side(sides["outputs"]))
            for name, sides in declared.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidArgument(
            f"{file}: the signatures can not be understood: {error}",
            hint='Write signatures = {"serving_default": {"inputs": {"x": ("float32", [None, 3])}, '
            '"outputs": {"y": ("float32", [None])}}}.',
        ) from error
    if not found:
        raise InvalidArgument(f"{file}: {CLASS_NAME} has no signatures")
    return found


def _side(declared: Any) -> Mapping[str, TensorSpec]:
    return {
        str(alias): TensorSpec(
            f"{alias}:0",
            _dtype(dtype),
            None if shape is None else tuple(None if n is None else int(n) for n in shape),
        )
        for alias, (dtype, shape) in sorted(declared.items())
    }


def _dtype(name: Any) -> DType:
    """Return a dtype by TensorFlow's name for it, or by numpy's."""
    if name in _NAMES:
        return _NAMES[name]
    return tensors.from_numpy(np.dtype(name))


def _output(alias: str, outputs: Mapping[Any, Any], spec: TensorSpec) -> Array:
    if alias not in outputs:
        raise Internal(f"{FILE_NAME}: predict returned no output {alias}")
    wanted = spec.dtype
    try:
        if wanted is STRING:
            return _strings(outputs[alias])
        return np.asarray(outputs[alias], dtype=None if wanted is None else wanted.numpy)
    except (TypeError, ValueError) as error:
        raise Internal(f"{FILE_NAME}: output {alias} is not {spec}: {error}") from error


def _strings(value: Any) -> Array:
    array = np.asarray(value, dtype=object)
    strings = np.empty(array.shape, dtype=object)
    for index, item in np.ndenumerate(array):
        strings[index] = item.encode() if isinstance(item, str) else bytes(item)
    return strings
