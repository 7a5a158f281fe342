"""Functions of TensorFlow with control flow: loops, branches, maps and calls."""

import numpy as np
import tensorflow as tf
from exporting import F32, I32, single, spec
from zoo import integers, model, normal


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
