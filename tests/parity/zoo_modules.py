"""Modules of TensorFlow functions: state, many signatures, and arithmetic of other widths."""

import numpy as np
import tensorflow as tf
from exporting import F32, F64, I32, I64, functions, single, spec
from zoo import Call, model, normal


@model()
def function_float64(folder):
    """Double precision throughout: statistics, linear algebra and a polynomial."""
    module = tf.Module()
    module.weights = tf.Variable(normal(6, 3, dtype=np.float64))

    def serve(x):
        mean, variance = tf.nn.moments(x, [0])
        covariance = tf.matmul(x - mean, x - mean, transpose_a=True) + tf.eye(6, dtype=F64)
        return {
            "linear": x @ module.weights,
            "tiny": 1.0 + x[:, :1] * 1e-13,
            "logsumexp": tf.reduce_logsumexp(x, 1),
            "polynomial": tf.math.polyval([tf.constant(c, F64) for c in (1, -2, 0.5)], x),
            "variance": variance,
            "cholesky": tf.linalg.cholesky(covariance),
            "solved": tf.linalg.solve(covariance, tf.eye(6, dtype=F64)),
            "determinant": tf.linalg.det(covariance),
            "erf": tf.math.erf(x),
            "gamma": tf.math.lgamma(tf.abs(x) + 0.5),
        }

    batches = [(normal(n, 6, dtype=np.float64),) for n in (1, 3, 9)]
    return single(folder, serve, [spec("x", None, 6, dtype=F64)], *batches, module=module)


@model()
def function_int64(folder):
    """Whole numbers beyond 32 bits, wrap-around, floor division and bits."""

    def serve(x, y):
        return {
            "sum": x + y,
            "product": x * y,
            "floor": x // y,
            "modulo": x % y,
            "truncated": tf.truncatediv(x, tf.abs(y) + 1),
            "power": x**3,
            "shifted": tf.bitwise.left_shift(x, tf.constant(7, I64)),
            "xor": tf.bitwise.bitwise_xor(x, y),
            "total": tf.reduce_sum(x),
            "running": tf.cumsum(y),
            "narrow": tf.cast(x, I32),
            "float": tf.cast(x, F32),
            "double": tf.cast(x, F64) / tf.cast(y, F64),
            "matrix": tf.matmul(x[:, None], y[None, :]),
            "sign": tf.sign(x) * tf.abs(y),
        }

    big = np.array([2**40 + 1, -(2**62), 3, -7], np.int64)
    small = np.array([3, 2**33, -2, 5], np.int64)
    return single(
        folder,
        serve,
        [spec("x", None, dtype=I64), spec("y", None, dtype=I64)],
        (big, small),
        (big[:1], small[:1]),
        (big[:0], small[:0]),
        (big[:1], np.zeros(1, np.int64)),  # division by zero: an error
    )


@model()
def function_counters(folder):
    """Signatures that share state: each call sees what the ones before it did."""

    class Counter(tf.Module):
        def __init__(self):
            super().__init__()
            self.total = tf.Variable(0.0)
            self.calls = tf.Variable(0, dtype=I64)
            self.history = tf.Variable(tf.zeros([4]))

        @tf.function(input_signature=[spec("by")])
        def add(self, by):
            self.calls.assign_add(1)
            self.history.scatter_nd_update([[tf.cast(self.calls, I32) % 4]], [by])
            return {"total": self.total.assign_add(by)}

        @tf.function(input_signature=[])
        def get(self):
            return {
                "total": self.total.read_value(),
                "calls": self.calls.read_value(),
                "history": self.history.read_value(),
            }

        @tf.function(input_signature=[])
        def reset(self):
            self.total.assign(0.0)
            self.history.assign(tf.zeros([4]))
            return {"calls": self.calls.assign_sub(1)}

    counter = Counter()
    functions(folder, counter, add=counter.add, get=counter.get, reset=counter.reset)
    order = ["get", 1.5, 2.0, "get", -0.25, "reset", "get", 4.0, 5.0, 6.0, 7.0, "get"]
    return [
        Call(step, {}) if isinstance(step, str) else Call("add", {"by": np.float32(step)})
        for step in order
    ]


@model()
def function_running_statistics(folder):
    """State that a branch and a loop update: an online mean, and a cache that fills up."""

    class Online(tf.Module):
        def __init__(self):
            super().__init__()
            self.count = tf.Variable(0.0)
            self.mean = tf.Variable(tf.zeros([3]))
            self.warm = tf.Variable(False)

        @tf.function(input_signature=[spec("x", None, 3)])
        def update(self, x):
            for row in x:
                self.count.assign_add(1.0)
                self.mean.assign_add((row - self.mean) / self.count)
            if self.count > 3.0:
                self.warm.assign(True)
            return {"mean": self.mean.read_value(), "warm": self.warm.read_value()}

        @tf.function(input_signature=[spec("x", None, 3)])
        def score(self, x):
            distance = tf.norm(x - self.mean, axis=1)
            return {"score": tf.where(self.warm, distance, tf.zeros_like(distance))}

    online = Online()
    functions(folder, online, update=online.update, score=online.score)
    x = normal(5, 3)
    order = [("score", x), ("update", x[:2]), ("score", x), ("update", x[2:]), ("score", x[:1])]
    return [Call(name, {"x": array}) for name, array in order]


@model()
def function_many_signatures(folder):
    """Encode and decode share weights; one signature has optional parts of the other."""
    module = tf.Module()
    module.weights = tf.Variable(normal(6, 4))

    @tf.function(input_signature=[spec("x", None, 6)])
    def encode(x):
        return {"code": tf.nn.relu(x @ module.weights)}

    @tf.function(input_signature=[spec("code", None, 4)])
    def decode(code):
        return {"x": tf.matmul(code, module.weights, transpose_b=True)}

    @tf.function(input_signature=[spec("x", None, 6), spec("weight")])
    def both(x, weight):
        code = encode(x)["code"]
        return {"code": code, "x": decode(code)["x"] * weight, "norm": tf.norm(x)}

    module.encode, module.decode, module.both = encode, decode, both
    functions(folder, module, encode=encode, decode=decode, serving_default=both)
    return [
        Call("encode", {"x": normal(3, 6)}),
        Call("decode", {"code": normal(2, 4)}),
        Call("serving_default", {"x": normal(1, 6), "weight": np.float32(0.5)}),
    ]


@model()
def function_any_rank(folder):
    """Inputs of unknown rank: the graph learns their shapes from the request."""
    module = tf.Module()
    module.wide = tf.Variable(normal(16, 256))
    module.narrow = tf.Variable(normal(256, 8))

    def serve(x):
        hidden = tf.nn.gelu(tf.tensordot(x, module.wide, 1))
        out = tf.tensordot(hidden, module.narrow, 1)
        return {"out": out, "rank": tf.rank(x), "sum": tf.reduce_sum(out), "flat": tf.size(x)}

    batches = [(normal(*shape, 16),) for shape in ((3,), (2, 5), (), (1, 2, 3), (0,))]
    x = tf.TensorSpec(None, F32, "x")
    return single(folder, serve, [x], *batches, (normal(3, 7),), module=module)


WIDTHS = "bool uint8 int8 uint16 int16 int32 uint32 int64 uint64 half bfloat16 float32 float64"


@model()
def function_dtypes(folder):
    """Every dtype in and out, and casts from one to the next, with what wraps and saturates."""
    kinds = [tf.as_dtype(name) for name in WIDTHS.split()]

    def serve(*inputs):
        outputs = {}
        for kind, x, after in zip(kinds, inputs, [*inputs[1:], inputs[0]], strict=True):
            outputs[f"same_{kind.name}"] = tf.reverse(x, [0])
            outputs[f"{kind.name}_to_{after.dtype.name}"] = tf.cast(x, after.dtype)
        return outputs

    values = np.array([0, 1, 2, 3.75, 100, 200.5])
    arrays = [values.astype(kind.as_numpy_dtype) for kind in kinds]
    specs = [spec(f"in_{kind.name}", None, dtype=kind) for kind in kinds]
    return single(folder, serve, specs, arrays, [a[3:4] for a in arrays], [a[:0] for a in arrays])


@model()
def function_sampler(folder):
    """Random numbers of a seed that the request brings: the same ones as TensorFlow's."""

    def serve(seed, logits):
        random = tf.random
        return {
            "uniform": random.stateless_uniform([3, 5], seed),
            "normal": random.stateless_normal([7], seed, mean=2.0, stddev=0.5),
            "truncated": random.stateless_truncated_normal([4, 4], seed),
            "integers": random.stateless_uniform([6], seed, 0, 100, I32),
            "wide": random.stateless_uniform([6], seed, -(10**12), 10**12, I64),
            "shuffled": random.experimental.stateless_shuffle(tf.range(10), seed),
            "chosen": random.stateless_categorical(logits, 4, seed),
            "double": random.stateless_uniform([3], seed, dtype=F64),
            "folded": random.experimental.stateless_fold_in(seed, 3),
            "split": random.experimental.stateless_split(seed, 3),
        }

    specs = [spec("seed", 2, dtype=I32), spec("logits", None, 5)]
    batches = [
        (np.array(seed, np.int32), normal(n, 5)) for seed, n in (((1, 2), 1), ((-7, 2**31 - 1), 3))
    ]
    return single(folder, serve, specs, *batches)


@model()
def function_odd_signatures(folder):
    """Outputs that are inputs, that are constants or the same twice; inputs that nothing reads."""
    module = tf.Module()
    module.names = tf.Variable(["a", "b"])
    module.count = tf.Variable(2**40, dtype=I64)

    def serve(x, unused):
        del unused
        doubled = x * 2.0
        return {
            "same": x,
            "doubled": doubled,
            "again": doubled,
            "constant": tf.constant([1, 2, 3], tf.int16),
            "names": module.names.read_value(),
            "count": module.count + 1,
            "empty": tf.zeros([0, 4]),
            "rows": tf.shape(x, out_type=I64)[0],
        }

    specs = [spec("x", None, 2), spec("unused", None, dtype=tf.string)]
    words = np.array([b"z", None], object)[:1]
    batches = [(normal(n, 2), words) for n in (1, 3, 0)]
    return single(folder, serve, specs, *batches, module=module)
