"""Variables: resources and TF1 references."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, init

RAW = tf.raw_ops
F = tf.float32
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def variable(value=ROWS):
    value = np.asarray(value)
    kind = tf.as_dtype(value.dtype)
    handle = RAW.VarHandleOp(dtype=kind, shape=value.shape, shared_name="v")
    init(RAW.AssignVariableOp(resource=handle, value=tf.constant(value)))
    return handle, lambda: RAW.ReadVariableOp(resource=handle, dtype=kind)


def after(op, read):
    with tf.control_dependencies([op]):
        return read()


@case("VarHandleOp")
def two_handles_of_one_name_are_one_variable():
    first, _ = variable()
    second = RAW.VarHandleOp(dtype=F, shape=(4, 3), shared_name="v")
    op = RAW.AssignAddVariableOp(resource=second, value=feed(ROWS))
    return after(op, lambda: RAW.ReadVariableOp(resource=first, dtype=F))


@case("VarHandleOp", shared="a")
@case("VarHandleOp", shared="")
def handles_of_other_names(shared):
    variable()
    other = RAW.VarHandleOp(dtype=F, shape=(4, 3), shared_name=shared)
    init(RAW.AssignVariableOp(resource=other, value=-ROWS))
    return RAW.ReadVariableOp(resource=other, dtype=F)


@case("ReadVariableOp")
def read_before_assign():
    handle = RAW.VarHandleOp(dtype=F, shape=(2,), shared_name="never")
    return RAW.ReadVariableOp(resource=handle, dtype=F)


@case("AssignVariableOp", validate=False)
@case("AssignVariableOp", validate=True)
def assign_other_shape(validate):
    handle = RAW.VarHandleOp(dtype=F, shape=None, shared_name="v")
    init(RAW.AssignVariableOp(resource=handle, value=ROWS))
    op = RAW.AssignVariableOp(resource=handle, value=feed(ROWS[0]), validate_shape=validate)
    return after(op, lambda: RAW.ReadVariableOp(resource=handle, dtype=F))


@case("AssignAddVariableOp", op="Add", value=ROWS)
@case("AssignSubVariableOp", op="Sub", value=ROWS)
def assign_op(op, value):
    handle, read = variable()
    change = getattr(RAW, f"Assign{op}VariableOp")(resource=handle, value=feed(value))
    return after(change, read)


@case("VarIsInitializedOp", known=True)
@case("VarIsInitializedOp", known=False)
def initialised(known):
    handle, _ = variable()
    if not known:
        handle = RAW.VarHandleOp(dtype=F, shape=(2,), shared_name="never")
    return RAW.VarIsInitializedOp(resource=handle)


@case("VariableShape", kind=tf.int32)
@case("VariableShape", kind=tf.int64)
def shape_of(kind):
    return RAW.VariableShape(input=variable()[0], out_type=kind)


@case("ResourceCountUpTo", limit=3)
@case("ResourceCountUpTo", limit=2)
def count(limit):
    handle, _ = variable(np.int32(2))
    return RAW.ResourceCountUpTo(resource=handle, limit=limit, T=tf.int32)


for _kind in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Update"):

    @case(f"ResourceScatter{_kind}", kind=_kind, at=[2, 0])
    @case(f"ResourceScatter{_kind}", kind=_kind, at=[4, 0])
    @case(f"ResourceScatter{_kind}", kind=_kind, at=[-1, 0])
    def scatter(kind, at):
        handle, read = variable()
        op = getattr(RAW, f"ResourceScatter{kind}")(
            resource=handle, indices=feed(np.array(at, np.int32)), updates=feed(ROWS[1:3])
        )
        return after(op, read)


for _kind in ("Add", "Sub", "Mul", "Div", "Min", "Max"):

    @case(f"ResourceScatter{_kind}", kind=_kind)
    def scatter_twice_and_broadcast(kind):
        handle, read = variable(np.array([[8, 9], [10, 12]], np.int32))
        op = getattr(RAW, f"ResourceScatter{kind}")(
            resource=handle, indices=feed(np.array([1, 1], np.int64)), updates=feed(np.int32(3))
        )
        return after(op, read)


for _kind in ("Add", "Sub", "Min", "Max", "Update"):

    @case(f"ResourceScatterNd{_kind}", kind=_kind, at=[[2, 0], [1, 1]], values=[50.0, -50.0])
    @case(f"ResourceScatterNd{_kind}", kind=_kind, at=[[2]], values=[[50.0, -50.0, 1.0]])
    @case(f"ResourceScatterNd{_kind}", kind=_kind, at=[[2, 3]], values=[1.0])
    def scatter_nd(kind, at, values):
        handle, read = variable()
        op = getattr(RAW, f"ResourceScatterNd{kind}")(
            ref=handle,
            indices=feed(np.array(at, np.int32)),
            updates=feed(np.array(values, np.float32)),
        )
        return after(op, read)


@case("DisableCopyOnRead")
def disable_copy_on_read():
    handle, read = variable()
    return after(RAW.DisableCopyOnRead(resource=handle), read)


v1 = tf.compat.v1


def reference(value=ROWS):
    ref = RAW.VariableV2(shape=np.shape(value), dtype=tf.as_dtype(np.asarray(value).dtype))
    init(v1.assign(ref, value).op)
    return ref


@case("VarHandleOp")
def reference_assign_add_hands_its_reference_on():
    ref = reference()
    return v1.assign_add(v1.assign_sub(ref, feed(ROWS * 3)), feed(ROWS)) + 1.0


@case("VarHandleOp")
def reference_is_read_after_what_it_waits_for():
    ref = reference()
    with tf.control_dependencies([v1.assign(ref, feed(-ROWS)).op]):
        return tf.identity(ref)


@case("VarHandleOp")
def reference_scatter():
    ref = reference()
    return v1.scatter_update(ref, feed(np.array([3, 1], np.int32)), feed(ROWS[:2]))


@case("VarHandleOp")
def reference_count():
    return v1.count_up_to(reference(np.int32(5)), 9)


@case("RefSwitch", positive=True)
@case("RefSwitch", positive=False)
@case("RefMerge", positive=True)
def reference_through_a_branch(positive):
    off, on = RAW.RefSwitch(data=reference(), pred=feed(positive))
    value, index = RAW.RefMerge(inputs=[off, on])
    return value + 1.0, index
