"""Graphs of TensorFlow 1 in which the order of effects, or who is alive, decides the answer."""

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import function
from tensorflow.python.ops import control_flow_ops, functional_ops
from zoo import Call, integers, model, normal
from zoo_tf1 import F32, save, session, signature, v1, variable

I32 = tf.int32


def default(folder, opened, inputs, outputs):
    save(folder, opened, {"serving_default": signature(inputs, outputs)})


def call(**inputs):
    return Call("serving_default", {k: np.asarray(v) for k, v in inputs.items()})


@model(resources=False)
@model(resources=True)
def tf1_scatters(folder, resources):
    """Each step waits for the one before through its own operands only."""
    with session(resources) as opened:
        x = v1.placeholder(F32, [None, 3], "x")
        i = v1.placeholder(I32, [None], "i")
        v, count = variable("v", normal(5, 3)), variable("n", np.int64(0))
        done = v1.assign_add(count, 1)
        for step in (
            lambda: v1.scatter_add(v, i, x),
            lambda: v1.scatter_sub(v, i, x * 0.5),
            lambda: v1.scatter_mul(v, i, 1.0 + 0 * x),
            lambda: v1.scatter_max(v, i, x - 1),
            lambda: v1.scatter_nd_update(v, [[0, 0]], [5.0]),
            lambda: v1.scatter_nd_add(v, [[0, 1], [1, 1]], [5.0, 2.0]),
            lambda: v1.assign_sub(v, tf.ones([5, 3]) * 0.25),
        ):
            with tf.control_dependencies([done]):
                done = step()
        with tf.control_dependencies([done]):
            outputs = {"v": tf.identity(v.read_value())}
        default(folder, opened, {"x": x, "i": i}, outputs)
    calls = [call(x=normal(n, 3), i=integers(5, n)) for n in (1, 3, 0, 3)]
    return [*calls, call(x=normal(1, 3), i=[7])]


@model()
def tf1_order_of_constants(folder):
    """What waits is a constant, or the read of a variable that never changes."""
    with session() as opened:
        x = v1.placeholder(F32, [], "x")
        v, fixed = variable("v", np.float32(1)), variable("fixed", np.float32(3))
        with tf.control_dependencies([v1.assign_add(v, x)]):
            again = v1.assign(v, fixed.read_value() * 2.0)
        with tf.control_dependencies([again]):
            last = v1.assign_sub(v, x)
        with tf.control_dependencies([v1.assign_add(v, x)]):
            done = tf.constant("done")
            six = tf.constant(2) * 3
        signatures = {
            "serving_default": signature({"x": x}, {"last": last}),
            "done": signature({"x": x}, {"done": done}),
            "six": signature({"x": x}, {"six": six}),
            "get": signature({}, {"v": v.read_value()}),
        }
        save(folder, opened, signatures)
    x = {"x": np.float32(2)}
    return [Call(s, x if s != "get" else {}) for s in ("done", "get", "six", "get")] + [
        call(x=np.float32(k)) for k in (2, 3)
    ]


@model()
def tf1_loops_that_assign(folder):
    """Reference variables inside of nested frames."""
    with session() as opened:
        n = v1.placeholder(I32, [], "n")
        v, count = variable("v", np.zeros((4, 2), np.float32)), variable("count", np.int32(0))

        def inner(j, i, total):
            with tf.control_dependencies([total]):
                rows = v1.scatter_add(v, [j % 4], [[1.0, 2.0]])
                counted = v1.assign_add(count, 1)
            with tf.control_dependencies([rows, counted]):
                return j + 1, i, total + tf.reduce_sum(tf.identity(rows)[0])

        def outer(i, total):
            start = (0, i, total)
            loop = v1.while_loop(lambda j, i, _: j < i, inner, start, parallel_iterations=1)
            return i + 1, loop[2]

        _, total = v1.while_loop(lambda i, _: i < n, outer, (0, 0.0), parallel_iterations=1)
        with tf.control_dependencies([total]):
            outputs = {"total": total, "v": v.read_value(), "count": count.read_value()}
        default(folder, opened, {"n": n}, outputs)
    return [call(n=np.int32(k)) for k in (3, 1, 5)]


@model()
def tf1_groups_in_branches(folder):
    """Constants that wait for a group of effects: alive on the branch that is taken."""
    with session() as opened:
        p = v1.placeholder(tf.bool, [], "p")
        x = v1.placeholder(F32, [], "x")
        v, u = variable("v", np.float32(0)), variable("u", np.float32(0))

        def true():
            with tf.control_dependencies([tf.group(v1.assign_add(v, x), v1.assign_add(u, 1.0))]):
                return tf.constant(1.0)

        def false():
            with tf.control_dependencies([v1.assign_sub(u, 1.0)]):
                return tf.constant(2.0)

        y = v1.cond(p, true, false)
        with tf.control_dependencies([y]):
            both = tf.stack([v.read_value(), u.read_value()])
        default(folder, opened, {"p": p, "x": x}, {"y": y, "both": both})
    return [call(p=b, x=np.float32(2)) for b in (True, False, True, True, False)]


@model()
def tf1_switch_and_merge(folder):
    """Switches by hand, fetched directly; one that ran is alive for what waits for it."""
    with session() as opened:
        x = v1.placeholder(F32, [None], "x")
        p = v1.placeholder(tf.bool, [], "p")
        false, true = control_flow_ops.switch(x, p)
        merged, index = control_flow_ops.merge([false * 2.0, true + 1.0])
        with tf.control_dependencies([true]):
            constant = tf.constant([3.5, 4.5])
        inputs = {"x": x, "p": p}
        outputs = {"merged": merged, "index": index, "constant": constant}
        signatures = {
            "serving_default": signature(inputs, outputs),
            "true": signature(inputs, {"y": true}),
            "false": signature(inputs, {"y": false}),
        }
        save(folder, opened, signatures)
    return [
        Call(name, {"x": normal(3), "p": np.array(b)})
        for b in (True, False)
        for name in ("serving_default", "true", "false")
    ]


@model()
def tf1_gradient_of_a_loop(folder):
    """Stacks carry the steps of a loop to its gradient; summaries lie on the way."""
    with session() as opened:
        x = v1.placeholder(F32, [None], "x")
        w = variable("w", np.float32(0.7))
        start = (0, x)
        _, y = v1.while_loop(lambda i, _: i < 4, lambda i, a: (i + 1, tf.tanh(a * w) + x), start)
        gradient = v1.gradients(tf.reduce_sum(y), x)[0]
        with tf.control_dependencies([v1.summary.histogram("y", y)]):
            gradient = tf.identity(gradient)
        default(folder, opened, {"x": x}, {"gradient": gradient})
    return [call(x=normal(n)) for n in (1, 3)]


@model()
def tf1_calls(folder):
    """Functions of the old kind: For, a remote call, and a call that batches."""
    with session(True) as opened:
        x = v1.placeholder(F32, [None, 3], "x")
        n = v1.placeholder(I32, [], "n")
        w = variable("w", normal(3, 2))

        @function.Defun(I32, F32, F32)
        def add(i, a, b):
            return a + tf.cast(i, F32), b * 0.5

        @function.Defun(F32)
        def triple(a):
            return a * 3.0

        @tf.nondifferentiable_batch_function(2, 8, 1000, allowed_batch_sizes=[4, 8])
        def batched(a):
            return tf.matmul(a, w)

        looped = functional_ops.For(0, n, 2, [x, tf.ones([2])], add)
        device = tf.constant("/job:localhost/replica:0/task:0/device:CPU:0")
        remote = functional_ops.remote_call(args=[x], Tout=[F32], f=triple, target=device)
        outputs = {"a": looped[0], "b": looped[1], "remote": remote[0], "batched": batched(x)}
        default(folder, opened, {"x": x, "n": n}, outputs)
    return [call(x=normal(k, 3), n=np.int32(m)) for k, m in ((1, 3), (3, 0), (2, 7))]


@model()
def tf1_sparse_placeholder(folder):
    """A signature with a sparse input does not keep the others from being served."""
    with session() as opened:
        sparse = v1.sparse_placeholder(F32, [None, 4], "sparse")
        x = v1.placeholder(F32, [None, 4], "x")
        w = variable("w", normal(4, 2))
        y = v1.sparse_tensor_dense_matmul(sparse, w)
        parts = {"i": sparse.indices, "v": sparse.values, "s": sparse.dense_shape}
        signatures = {
            "serving_default": signature(parts, {"y": y}),
            "plain": signature({"x": x}, {"y": tf.matmul(x, w)}),
            "sparse": signature({"sparse": sparse}, {"y": y}),
        }
        save(folder, opened, signatures)
    none = np.zeros((0, 2), np.int64)
    return [
        Call("plain", {"x": normal(2, 4)}),
        call(i=np.int64([[0, 1], [2, 3]]), v=np.float32([1, 2]), s=np.int64([3, 4])),
        call(i=none, v=np.zeros(0, np.float32), s=np.int64([0, 4])),
    ]
