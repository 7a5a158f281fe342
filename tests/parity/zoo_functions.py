"""Modules of TensorFlow functions: control flow, and arithmetic of other widths."""

import numpy as np
import tensorflow as tf
from exporting import functions, single
from zoo import Call, integers, model, normal

F32, F64, I32, I64 = tf.float32, tf.float64, tf.int32, tf.int64


def spec(name, *shape, dtype=F32):
    return tf.TensorSpec(list(shape), dtype, name)


@model()
def function_autograph(folder):
    """Python's own for, while, break, continue and return, over tensors."""

    def collatz(n, most):
        steps = tf.constant(0)
        highest = n
        while n != 1:
            if steps >= most:
                break
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            highest = tf.maximum(highest, n)
            steps += 1
        odd = tf.constant(0)
        for i in tf.range(steps):
            if i % 2 == 0:
                continue
            odd += i
        return {"steps": steps, "highest": highest, "odd": odd}

    return single(
        folder,
        collatz,
        [spec("n", dtype=I32), spec("most", dtype=I32)],
        *[(np.int32(n), np.int32(most)) for n, most in ((27, 1000), (27, 5), (1, 3), (6, 100))],
    )


@model()
def function_while_loop(folder):
    """Newton's square root, with the number of rounds decided by the values."""

    def root(x):
        def close(guess, rounds):
            return (rounds < 50) & (tf.reduce_max(tf.abs(guess * guess - x)) > 1e-4)

        guess, rounds = tf.while_loop(
            close, lambda g, n: ((g + x / g) / 2, n + 1), (tf.ones_like(x), tf.constant(0))
        )
        return {"root": guess, "rounds": rounds}

    batches = [(np.abs(normal(n, 4)) + 0.5,) for n in (1, 3)]
    return single(folder, root, [spec("x", None, 4)], *batches)


@model()
def function_branches(folder):
    """cond, case and switch_case, nested, with captured variables."""
    module = tf.Module()
    module.scale = tf.Variable([2.0, -1.0, 0.5])

    def branch(x, mode):
        picked = tf.switch_case(
            mode,
            [lambda: x * module.scale, lambda: x + 1.0, lambda: tf.reverse(x, [1])],
            default=lambda: tf.zeros_like(x),
        )
        signed = tf.cond(
            tf.reduce_sum(x) > 0,
            lambda: tf.cond(mode > 1, lambda: picked, lambda: -picked),
            lambda: tf.nn.relu(picked),
        )
        size = tf.case(
            [(mode < 0, lambda: tf.size(x)), (mode > 2, lambda: tf.shape(x)[0])],
            default=lambda: tf.constant(7),
        )
        return {"picked": picked, "signed": signed, "size": size}

    batches = [(normal(rows, 3, seed=m), np.int32(m)) for rows, m in ((1, 0), (3, 1), (2, 2))]
    batches += [(normal(0, 3), np.int32(3)), (normal(2, 3), np.int32(-1))]
    return single(
        folder, branch, [spec("x", None, 3), spec("mode", dtype=I32)], *batches, module=module
    )


@model()
def function_maps(folder):
    """map_fn, scan, foldl and vectorized_map over rows of any number."""
    module = tf.Module()
    module.kernel = tf.Variable(normal(4, 4))

    def mapped(x):
        weighted = tf.map_fn(lambda row: tf.linalg.matvec(module.kernel, row), x)
        sums, products = tf.scan(
            lambda state, row: (state[0] + row, state[1] * 0.5 + row),
            x,
            initializer=(tf.zeros([4]), tf.ones([4])),
        )
        folded = tf.foldl(tf.maximum, x, tf.fill([4], -9.0))
        backwards = tf.foldr(lambda state, row: state - row, x, tf.zeros([4]))
        return {
            "weighted": weighted,
            "sums": sums,
            "products": products,
            "folded": folded,
            "backwards": backwards,
            "vectorised": tf.vectorized_map(lambda row: tf.tensordot(row, row, 1), x),
        }

    batches = [(normal(n, 4),) for n in (1, 3, 6)]
    return single(folder, mapped, [spec("x", None, 4)], *batches, module=module)


@model()
def function_tensor_arrays(folder):
    """A loop that writes an array of its own and stops early, as decoders do."""

    def decode(x, limit):
        written = tf.TensorArray(F32, 0, dynamic_size=True, element_shape=[3])
        total = tf.zeros([3])
        i = 0
        for row in x:
            total += row
            if tf.reduce_max(total) > limit:
                break
            written = written.write(i, total)
            i += 1
        return {"written": written.stack(), "total": total, "count": tf.identity(i)}

    batches = [(np.abs(normal(n, 3)), np.float32(limit)) for n, limit in ((1, 9), (6, 2), (8, 99))]
    return single(folder, decode, [spec("x", None, 3), spec("limit")], *batches)


@model()
def function_beam_search(folder):
    """Beam search over a small language model of constants."""
    module = tf.Module()
    module.transitions = tf.Variable(normal(12, 12))
    width, length = 3, 6

    def search(start):
        beams = tf.tile(start[:, None, None], [1, width, 1])
        rows = tf.shape(start)[0]
        scores = tf.tile(tf.constant([[0.0] + [-1e9] * (width - 1)]), [rows, 1])

        def step(i, beams, scores):
            log = tf.nn.log_softmax(tf.gather(module.transitions, beams[:, :, -1]))
            both = tf.reshape(scores[:, :, None] + log, [rows, -1])
            best, index = tf.math.top_k(both, width)
            beams = tf.gather(beams, index // 12, batch_dims=1)
            return i + 1, tf.concat([beams, (index % 12)[:, :, None]], 2), best

        _, beams, scores = tf.while_loop(
            lambda i, *_: i < length,
            step,
            (0, beams, scores),
            shape_invariants=(
                tf.TensorShape([]),
                tf.TensorShape([None, width, None]),
                tf.TensorShape([None, width]),
            ),
        )
        return {"tokens": beams, "scores": scores}

    batches = [(integers(12, n),) for n in (1, 3)]
    return single(folder, search, [spec("start", None, dtype=I32)], *batches, module=module)


@model()
def function_greedy_decoder(folder):
    """A GRU by hand that feeds its own words back until all rows have ended."""
    module = tf.Module()
    module.words = tf.Variable(normal(20, 8))
    module.gates = tf.Variable(0.5 * normal(16, 24))
    module.out = tf.Variable(normal(8, 20))

    def decode(first):
        rows = tf.shape(first)[0]
        state = tf.zeros([rows, 8])
        token = first
        ended = tf.zeros([rows], tf.bool)
        said = tf.TensorArray(I32, 12, element_shape=[None])
        length = tf.constant(0)
        for i in tf.range(12):
            gates = tf.matmul(tf.concat([tf.gather(module.words, token), state], 1), module.gates)
            reset, update, new = tf.split(gates, 3, axis=1)
            candidate = tf.tanh(new * tf.sigmoid(reset))
            keep = tf.sigmoid(update)
            state = keep * state + (1 - keep) * candidate
            token = tf.argmax(tf.matmul(state, module.out), axis=1, output_type=I32)
            token = tf.where(ended, 0, token)
            said = said.write(i, token)
            ended |= token == 3
            length += 1
            if tf.reduce_all(ended):
                break
        return {"tokens": tf.transpose(said.stack()), "state": state, "length": length}

    batches = [(integers(20, n),) for n in (1, 3)]
    return single(folder, decode, [spec("first", None, dtype=I32)], *batches, module=module)


@model()
def function_nested_calls(folder):
    """Functions that call functions, one of them with different shapes, and a gradient."""
    module = tf.Module()
    module.weights = tf.Variable(normal(4, 4))

    @tf.function
    def layer(x):
        return tf.tanh(x @ module.weights)

    @tf.function
    def deep(x):
        for _ in range(3):
            x = layer(x) + x
        return x

    def serve(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(deep(x) ** 2)
        return {"deep": deep(x), "first": layer(x[:1]), "gradient": tape.gradient(loss, x)}

    batches = [(normal(n, 4),) for n in (1, 3)]
    return single(folder, serve, [spec("x", None, 4)], *batches, module=module)


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
            "truncated": tf.truncatediv(x, y),
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


@model()
def function_denoiser(folder):
    """A convolutional net inside a loop whose number of rounds the request decides."""
    module = tf.Module()
    module.first = tf.Variable(0.2 * normal(3, 3, 4, 16))
    module.second = tf.Variable(0.2 * normal(3, 3, 16, 3))

    def serve(image, rounds):
        shape = tf.shape(image)

        def step(i, x):
            level = tf.fill([shape[0], shape[1], shape[2], 1], 1 / (1.0 + tf.cast(i, F32)))
            hidden = tf.nn.silu(tf.nn.conv2d(tf.concat([x, level], 3), module.first, 1, "SAME"))
            return i + 1, x - 0.1 * tf.nn.conv2d(hidden, module.second, 1, "SAME")

        _, clean = tf.while_loop(
            lambda i, _: i < rounds,
            step,
            (0, image),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None, None, 3])),
        )
        return {"clean": clean}

    specs = [spec("image", None, None, None, 3), spec("rounds", dtype=I32)]
    batches = [
        (normal(n, h, w, 3), np.int32(r))
        for n, h, w, r in ((1, 8, 8, 5), (3, 6, 9, 2), (1, 4, 4, 0))
    ]
    return single(folder, serve, specs, *batches, module=module)


@model()
def function_graph_net(folder):
    """Messages along the edges of graphs of any size, three rounds, then a readout."""
    module = tf.Module()
    module.message = tf.Variable(0.3 * normal(20, 16))
    module.update = tf.Variable(0.3 * normal(24, 8))
    module.out = tf.Variable(normal(8, 2))

    def serve(nodes, sources, targets, graph):
        state = nodes
        count = tf.shape(nodes)[0]
        for _ in range(3):
            degree = tf.math.unsorted_segment_sum(tf.ones_like(targets, F32), targets, count)
            pair = tf.concat(
                [
                    tf.gather(state, sources),
                    tf.gather(state, targets),
                    tf.gather(nodes, sources)[:, :4],
                ],
                1,
            )
            sent = tf.nn.relu(pair @ module.message)
            heard = tf.math.unsorted_segment_sum(sent, targets, count)
            heard = tf.math.divide_no_nan(heard, degree[:, None])
            state = tf.tanh(tf.concat([state, heard], 1) @ module.update)
        pooled = tf.math.segment_mean(state, graph)
        return {"states": state, "graphs": tf.nn.log_softmax(pooled @ module.out)}

    def batch(count, edges, graphs):
        return (
            normal(count, 8),
            integers(count, edges),
            integers(count, edges, seed=1),
            np.sort(integers(graphs, count)),
        )

    specs = [spec("nodes", None, 8)]
    specs += [spec(name, None, dtype=I32) for name in ("sources", "targets", "graph")]
    return single(
        folder, serve, specs, batch(4, 6, 1), batch(9, 20, 3), batch(3, 0, 2), module=module
    )


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
