"""What OpenVINO's shape inference lets pass and TensorFlow refuses."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openvino as ov

log = logging.getLogger(__name__)


def sizes_fit(model: ov.Model) -> bool:
    """Whether TensorFlow would take the sizes that a model's tensors have got."""
    if any(node.get_type_name() == "SpaceToBatch" for node in model.get_ops()):
        # Its blocks are computed from ranks, and what comes out of it has open sizes.
        try:
            model = _folded(model)
        except RuntimeError as error:
            log.debug("constants that can not be folded: %s", error)
            return False
    checks = (images_fit, blocks_fit, indices_fit, dropped_sizes_are_one, all_hold_something)
    return all(fits(model) for fits in checks)


def _folded(model: ov.Model) -> ov.Model:
    """A copy in which everything is a constant that follows from the sizes."""
    from openvino.passes import ConstantFolding, Manager

    copy = model.clone()
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(copy)
    copy.validate_nodes_and_infer_types()
    return copy


def images_fit(model: ov.Model) -> bool:
    """Whether every transposed convolution makes an image that its input can come from.

    OpenVINO makes one of the size that is asked for from any input, by cutting off or
    filling up with zeros; TensorFlow refuses an input that the convolution of such an
    image would not have made. Sizes that the model leaves open count as fitting.
    """
    return all(
        _fits(node)
        for node in model.get_ops()
        if node.get_type_name() == "ConvolutionBackpropData" and len(node.inputs()) > 2
    )


def blocks_fit(model: ov.Model) -> bool:
    """Whether no batch that blocks of space become consists of padding behind alone.

    Into such a one OpenVINO puts what lies behind the input in memory.
    """
    return all(_fills(node) for node in model.get_ops() if node.get_type_name() == "SpaceToBatch")


def _fills(node: Any) -> bool:
    shape = node.input(0).get_partial_shape()
    block, before = _constant(node.input(1)), _constant(node.input(2))
    if block is None or shape.is_dynamic or len(shape) != len(block):
        return False
    before = before or [0] * len(block)
    return all(
        size.get_length() + front >= step
        for size, step, front in zip(shape, block, before, strict=True)
    )


def dropped_sizes_are_one(model: ov.Model) -> bool:
    """Whether every dimension that is dropped is known to have size 1.

    OpenVINO keeps a dimension of another size, also where it takes a tensor apart;
    TensorFlow refuses it.
    """
    return all(_drops_ones(node) for node in model.get_ops() if node.get_type_name() == "Squeeze")


def _drops_ones(node: Any) -> bool:
    shape = node.input(0).get_partial_shape()
    axes = _constant(node.input(1)) if len(node.inputs()) > 1 else None
    return (
        shape.rank.is_static
        and axes is not None
        and all(
            -len(shape) <= axis < len(shape)
            and shape[axis].is_static
            and shape[axis].get_length() == 1
            for axis in axes
        )
    )


def all_hold_something(model: ov.Model) -> bool:
    """Whether every tensor of floats has elements. Sizes left open count as more than none.

    OpenVINO looks beside a tensor without elements for the first of them, and for the
    largest: it answers with what its memory holds there. TensorFlow refuses both.
    """
    import openvino as ov

    return not any(
        _EMPTY.search(str(node.get_output_partial_shape(i)))
        and node.get_output_element_type(i) == ov.Type.f32
        for node in model.get_ops()
        if node.get_type_name() != "Constant"
        for i in range(node.get_output_size())
    )


# Looking into the shapes themselves takes thirty times as long.
_EMPTY = re.compile(r"[\[,]0[\],]")


def indices_fit(model: ov.Model) -> bool:
    """Whether constant indices are in the range of the sizes that they meet.

    OpenVINO takes an index beyond the end for the last one in slices, and gathers zeros;
    TensorFlow refuses both. Where the size is open, nothing is known to fit. Islands hold
    no graph's own indices that are not constant; such ones OpenVINO has added itself.
    """
    checks = {"StridedSlice": _slice_fits, "Gather": _gather_fits}
    named = ((checks.get(node.get_type_name()), node) for node in model.get_ops())
    return all(check(node) for check, node in named if check)


def _slice_fits(node: Any) -> bool:
    single = node.get_attributes()["shrink_axis_mask"]
    if not any(single):
        return True
    begin = _constant(node.input(1))
    return begin is None or all(
        _in_range(index, index, node.input(0).get_partial_shape(), axis)
        for axis, (index, alone) in enumerate(zip(begin, single, strict=False))
        if alone
    )


def _gather_fits(node: Any) -> bool:
    indices, axis = _constant(node.input(1)), _constant(node.input(2))
    if not indices or not axis:
        return True
    return _in_range(min(indices), max(indices), node.input(0).get_partial_shape(), axis[0])


def _constant(place: Any) -> list[int] | None:
    source = place.get_source_output().get_node()
    if source.get_type_name() != "Constant":
        return None
    values: list[int] = source.get_data().reshape(-1).tolist()
    return values


def _in_range(lowest: int, highest: int, shape: Any, axis: int) -> bool:
    if shape.rank.is_dynamic or not -len(shape) <= axis < len(shape) or shape[axis].is_dynamic:
        return False
    size = shape[axis].get_length()
    return bool(-size <= lowest and highest < size)


def _fits(node: Any) -> bool:
    given, filters, made = (
        place.get_partial_shape() for place in (node.input(0), node.input(1), node.output(0))
    )
    if any(shape.is_dynamic for shape in (given, filters, made)):
        return True
    attrs = node.get_attributes()
    same = attrs["auto_pad"].startswith("same")
    for d, stride in enumerate(attrs["strides"]):
        size = made[d + 2].get_length()
        if same:
            places = -(-size // stride)
        else:
            reach = (filters[d + 2].get_length() - 1) * attrs["dilations"][d] + 1
            around = attrs["pads_begin"][d] + attrs["pads_end"][d]
            places = (size + around - reach) // stride + 1
        if places != given[d + 2].get_length():
            return False
    return True
