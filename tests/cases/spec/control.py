"""If, Case and While, and what TF1 made of them."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
F = tf.float32
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def function(body, *kinds):
    return tf.function(body).get_concrete_function(*[tf.TensorSpec(None, k) for k in kinds])


@case("If", cond=True, op="If")
@case("If", cond=False, op="If")
@case("If", cond=np.float32(0.5), op="If")
@case("If", cond="", op="If")
@case("If", cond=np.zeros((0, 2), np.float32), op="If")
@case("If", cond=np.zeros((1,), np.int32), op="If")
@case("StatelessIf", cond=True, op="StatelessIf")
def if_(cond, op):
    double = function(lambda x, y: (x * 2.0, y), F, F)
    swap = function(lambda x, y: (y, x), F, F)
    return getattr(RAW, op)(
        cond=feed(cond),
        input=[feed(ROWS), feed(ROWS[0])],
        Tout=[F, F],
        then_branch=double,
        else_branch=swap,
    )


@case("Case", index=0, op="Case")
@case("Case", index=1, op="Case")
@case("Case", index=7, op="Case")
@case("Case", index=-1, op="Case")
@case("StatelessCase", index=1, op="StatelessCase")
def case_(index, op):
    branches = [function(lambda x, k=k: x + float(k), F) for k in (10, 20, 30)]
    return getattr(RAW, op)(
        branch_index=feed(np.int32(index)), input=[feed(ROWS)], Tout=[F], branches=branches
    )


@case("While", op="While", n=5)
@case("While", op="While", n=0)
@case("StatelessWhile", op="StatelessWhile", n=3)
def while_(op, n):
    more = function(lambda i, n, x: i < n, tf.int32, tf.int32, F)
    step = function(lambda i, n, x: (i + 1, n, x * 2.0 + 1.0), tf.int32, tf.int32, F)
    return getattr(RAW, op)(
        input=[tf.constant(0), feed(np.int32(n)), feed(ROWS)], cond=more, body=step
    )


@case("While")
def nested_loops():
    def inner(total, j):
        more = function(lambda t, k, n: k < n, F, tf.int32, tf.int32)
        step = function(lambda t, k, n: (t + tf.cast(k, F), k + 1, n), F, tf.int32, tf.int32)
        return RAW.StatelessWhile(input=[total, tf.constant(0), j], cond=more, body=step)[0]

    more = function(lambda i, t: i < 4, tf.int32, F)
    step = function(lambda i, t: (i + 1, inner(t, i)), tf.int32, F)
    return RAW.While(input=[tf.constant(0), feed(np.float32(1))], cond=more, body=step)


@case("While")
def a_loop_with_v1_while_loop_semantics():
    with tf.control_dependencies([]):
        return tf.function(
            lambda x: tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v @ v), [0, x])
        )(feed(np.eye(2, dtype=np.float32) * 2))


@case("ToBool", value=0)
@case("ToBool", value=3.5)
@case("ToBool", value="x")
@case("ToBool", value=np.zeros((0,), np.float32))
@case("ToBool", value=np.zeros((2,), np.float32))
def to_bool(value):
    return RAW.ToBool(input=feed(value))


v1 = tf.compat.v1


class V1:
    """TF1's own control flow, whatever TensorFlow's default."""

    def __enter__(self):
        v1.disable_control_flow_v2()

    def __exit__(self, *_):
        v1.enable_control_flow_v2()


@case("Switch", x=3.0)
@case("Switch", x=-3.0)
def cond_v1(x):
    with V1():
        value = feed(np.float32(x))
        return v1.cond(value > 0.0, lambda: value * 2.0, lambda: value - 1.0)


@case("Merge", x=3.0)
@case("Merge", x=-3.0)
def cond_v1_of_constants(x):
    with V1():
        value = feed(np.float32(x))
        return v1.cond(value > 0.0, lambda: (1.0, "yes"), lambda: (2.0, "no"))


@case("Merge", x=3.0, y=1.0)
@case("Merge", x=3.0, y=-1.0)
@case("Merge", x=-3.0, y=1.0)
def nested_cond_v1(x, y):
    with V1():
        a, b = feed(np.float32(x)), feed(np.float32(y))
        return v1.cond(
            a > 0.0, lambda: v1.cond(b > 0.0, lambda: a + b, lambda: 7.0), lambda: b * 5.0
        )


@case("Merge", training=False)
@case("Merge", training=True)
def cond_v1_on_a_default(training):
    with V1():
        flag = v1.placeholder_with_default(training, ())
        value = feed(ROWS)
        return v1.cond(flag, lambda: value * 2.0, lambda: value + 1.0)


@case("Merge", x=3.0)
@case("Merge", x=-3.0)
def assert_in_v1(x):
    with V1():
        value = feed(np.float32(x))
        with tf.control_dependencies([v1.assert_greater(value, 0.0)]):
            return value * 2.0


@case("While", n=4)
@case("While", n=0)
def while_v1(n):
    with V1():
        limit, x = feed(np.int32(n)), feed(ROWS)
        return v1.while_loop(
            lambda i, v: i < limit, lambda i, v: (i + 1, v * 2.0 + x), [tf.constant(0), x]
        )


@case("While")
def while_v1_nested():
    with V1():
        x = feed(np.float32(1))

        def inner(i, t):
            return v1.while_loop(
                lambda k, s: k < i, lambda k, s: (k + 1, s + tf.cast(k, F)), [tf.constant(0), t]
            )[1]

        return v1.while_loop(
            lambda i, t: i < 4, lambda i, t: (i + 1, inner(i, t)), [tf.constant(0), x]
        )


@case("While")
def while_v1_with_cond_inside():
    with V1():
        x = feed(np.float32(1))
        return v1.while_loop(
            lambda i, t: i < 6,
            lambda i, t: (
                i + 1,
                v1.cond(tf.equal(i % 2, 0), lambda: t * 3.0, lambda: t - 1.0),
            ),
            [tf.constant(0), x],
        )


@case("TensorArrayV3")
def map_fn_v1():
    with V1():
        return v1.map_fn(lambda row: row * 2.0 + 1.0, feed(ROWS), parallel_iterations=1)


@case("TensorArrayV3")
def scan_v1():
    with V1():
        return v1.scan(lambda a, row: a + row, feed(ROWS))


def array(size=4, kind=F, **options):
    return RAW.TensorArrayV3(size=feed(np.int32(size)), dtype=kind, **options)


def filled(**options):
    handle, flow = array(**options)
    rows = feed(ROWS)
    return handle, RAW.TensorArrayScatterV3(
        handle=handle, indices=feed(np.arange(4, dtype=np.int32)), value=rows, flow_in=flow
    )


@case("TensorArrayV3", size=3)
@case("TensorArrayV3", size=-1)
def array_size(size):
    handle, flow = array(size)
    return RAW.TensorArraySizeV3(handle=handle, flow_in=flow)


@case("TensorArrayWriteV3", index=2)
@case("TensorArrayWriteV3", index=9)
@case("TensorArrayWriteV3", index=9, dynamic_size=True)
@case("TensorArrayWriteV3", index=-1)
def array_write(index, **options):
    handle, flow = array(**options)
    at = feed(np.int32(index))
    flow = RAW.TensorArrayWriteV3(handle=handle, index=at, value=feed(ROWS[1]), flow_in=flow)
    return (
        RAW.TensorArrayReadV3(handle=handle, index=at, flow_in=flow, dtype=F),
        RAW.TensorArraySizeV3(handle=handle, flow_in=flow),
    )


@case("TensorArrayWriteV3")
def array_write_twice():
    handle, flow = filled()
    flow = RAW.TensorArrayWriteV3(handle=handle, index=0, value=feed(ROWS[1]), flow_in=flow)
    return RAW.TensorArraySizeV3(handle=handle, flow_in=flow)


@case("TensorArrayReadV3", shape=None)
@case("TensorArrayReadV3", shape=[2])
def array_read_unset(shape):
    handle, flow = array(**({} if shape is None else {"element_shape": shape}))
    return RAW.TensorArrayReadV3(handle=handle, index=1, flow_in=flow, dtype=F)


@case("TensorArrayReadV3", clear=True)
@case("TensorArrayReadV3", clear=False)
def array_read_twice(clear):
    handle, flow = filled(clear_after_read=clear)
    first = RAW.TensorArrayReadV3(handle=handle, index=1, flow_in=flow, dtype=F)
    with tf.control_dependencies([first]):
        second = RAW.TensorArrayReadV3(handle=handle, index=1, flow_in=tf.identity(flow), dtype=F)
    return first, second


@case("TensorArrayGatherV3", at=[3, 0])
@case("TensorArrayGatherV3", at=[])
@case("TensorArrayGatherV3", at=[5])
def array_gather(at):
    handle, flow = filled()
    return RAW.TensorArrayGatherV3(
        handle=handle,
        indices=feed(np.array(at, np.int32)),
        flow_in=flow,
        dtype=F,
        element_shape=[3],
    )


@case("TensorArrayScatterV3")
def array_scatter_mismatch():
    handle, flow = array()
    flow = RAW.TensorArrayScatterV3(
        handle=handle, indices=feed(np.array([0], np.int32)), value=feed(ROWS), flow_in=flow
    )
    return RAW.TensorArraySizeV3(handle=handle, flow_in=flow)


@case("TensorArraySplitV3", lengths=[1, 0, 3, 0])
@case("TensorArraySplitV3", lengths=[1, 1, 1, 0])
def array_split(lengths):
    handle, flow = array()
    flow = RAW.TensorArraySplitV3(
        handle=handle, value=feed(ROWS), lengths=feed(np.array(lengths, np.int64)), flow_in=flow
    )
    return RAW.TensorArrayConcatV3(handle=handle, flow_in=flow, dtype=F)


@case("TensorArrayConcatV3", rest=None)
@case("TensorArrayConcatV3", rest=[3])
def array_concat_of_nothing(rest):
    handle, flow = array(0)
    return RAW.TensorArrayConcatV3(handle=handle, flow_in=flow, dtype=F, element_shape_except0=rest)


@case("TensorArrayV3", identical=True)
@case("TensorArrayV3", identical=False)
def array_of_equal_shapes(identical):
    handle, flow = array(identical_element_shapes=identical)
    flow = RAW.TensorArrayWriteV3(handle=handle, index=0, value=feed(ROWS[1]), flow_in=flow)
    return RAW.TensorArrayReadV3(handle=handle, index=1, flow_in=flow, dtype=F)


@case("For", start=0, limit=5, delta=2)
@case("For", start=0, limit=0, delta=0)
@case("For", start=3, limit=-4, delta=-3)
@case("For", start=0, limit=5, delta=-1)
@case("For", start=5, limit=0, delta=1)
@case("For", start=0, limit=5, delta=0)
def for_(start, limit, delta):
    step = function(lambda i, x, y: (x + tf.cast(i, F), y * 0.5), tf.int32, F, F)
    numbers = [feed(np.int32(n)) for n in (start, limit, delta)]
    start, limit, delta = numbers
    return RAW.For(start=start, limit=limit, delta=delta, input=[feed(ROWS), 1.0], body=step)


@case("StackV2", most=-1, pushed=2, popped=2)
@case("StackV2", most=2, pushed=2, popped=1)
@case("StackV2", most=1, pushed=2, popped=1)
@case("StackPopV2", most=-1, pushed=1, popped=2)
@case("StackPushV2", most=5, pushed=3, popped=3)
@case("StackCloseV2", most=5, pushed=1, popped=1)
def stack_of_a_run(most, pushed, popped):
    handle = RAW.StackV2(max_size=most, elem_type=F, stack_name="kept")
    last, results = [], []
    for number in range(pushed):
        with tf.control_dependencies(last):
            last = [RAW.StackPushV2(handle=handle, elem=feed(ROWS[number:]))]
    for _ in range(popped):
        with tf.control_dependencies(last):
            last = [RAW.StackPopV2(handle=handle, elem_type=F)]
        results += last
    with tf.control_dependencies(last):
        closed = RAW.StackCloseV2(handle=handle)
    with tf.control_dependencies([closed]):
        return [tf.identity(value) for value in results]
