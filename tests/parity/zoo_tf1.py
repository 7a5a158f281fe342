"""Graphs as TensorFlow 1 built and saved them, run in sessions."""

import contextlib

import numpy as np
import tensorflow as tf
from zoo import Call, integers, model, normal, strings
from zoo_examples import PEOPLE

v1 = tf.compat.v1
F32, I64 = tf.float32, tf.int64
METHODS = "tensorflow/serving/"


@contextlib.contextmanager
def session(resources=False):
    """A graph and a session as TensorFlow 1 had them: Switch, Merge, reference variables."""
    v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as opened:
            graph.seed = 7
            with v1.variable_scope("", use_resource=resources):
                yield opened
    finally:
        v1.enable_control_flow_v2()


def signature(inputs, outputs, method="predict"):
    def infos(tensors):
        return {k: v1.saved_model.build_tensor_info(t) for k, t in tensors.items()}

    return v1.saved_model.build_signature_def(infos(inputs), infos(outputs), METHODS + method)


def save(folder, opened, signatures, *, tags=("serve",), **options):
    opened.run(v1.global_variables_initializer())
    opened.run(v1.tables_initializer())
    builder = v1.saved_model.Builder(str(folder))
    builder.add_meta_graph_and_variables(
        opened, list(tags), signatures, strip_default_attrs=True, **options
    )
    builder.save()


def variable(name, value, **options):
    return v1.get_variable(name, initializer=tf.constant(value), **options)


@model(resources=False)
@model(resources=True)
def tf1_mlp(folder, resources):
    with session(resources) as opened:
        x = v1.placeholder(F32, [None, 8], "x")
        hidden = tf.nn.relu(
            tf.matmul(x, variable("w1", normal(8, 16))) + variable("b1", normal(16))
        )
        logits = v1.nn.xw_plus_b(hidden, variable("w2", normal(16, 4)), variable("b2", normal(4)))
        outputs = {"logits": logits, "best": tf.argmax(logits, 1)}
        save(folder, opened, {"serving_default": signature({"x": x}, outputs)})
    return [Call("serving_default", {"x": normal(n, 8)}) for n in (1, 3, 0)]


@model()
def tf1_partitioned(folder):
    """An embedding table in three pieces, and a kernel in two."""
    with session() as opened:
        ids = v1.placeholder(I64, [None], "ids")
        pieces = v1.fixed_size_partitioner(3)
        start = v1.random_normal_initializer(seed=3)
        table = v1.get_variable("table", [20, 6], initializer=start, partitioner=pieces)
        halves = v1.fixed_size_partitioner(2, axis=1)
        kernel = v1.get_variable("kernel", [6, 4], initializer=start, partitioner=halves)
        rows = v1.nn.embedding_lookup(table, ids, partition_strategy="div")
        strided = v1.nn.embedding_lookup(list(table), ids % 18, partition_strategy="mod")
        outputs = {
            "rows": rows,
            "mod": strided,
            "out": tf.matmul(rows, tf.convert_to_tensor(kernel)),
        }
        save(folder, opened, {"serving_default": signature({"ids": ids}, outputs)})
    return [Call("serving_default", {"ids": integers(20, n, dtype="int64")}) for n in (1, 5, 0)]


@model()
def tf1_batch_norm(folder):
    """Batch normalisation behind is_training, a placeholder with a default, and a cond."""
    with session() as opened:
        x = v1.placeholder(F32, [None, 12, 12, 3], "x")
        training = v1.placeholder_with_default(False, [], "training")
        mean = variable("mean", normal(8))
        variance = variable("variance", np.abs(normal(8)) + 0.5)
        hidden = tf.nn.conv2d(x, variable("kernel", 0.3 * normal(3, 3, 3, 8)), 2, "SAME")

        def learn():
            batch_mean, batch_variance = tf.nn.moments(hidden, [0, 1, 2])
            update = v1.assign(mean, 0.9 * mean + 0.1 * batch_mean)
            with tf.control_dependencies([update]):
                return tf.identity(batch_mean), tf.identity(batch_variance)

        used = v1.cond(training, learn, lambda: (tf.identity(mean), tf.identity(variance)))
        gamma, beta = variable("gamma", normal(8) + 1), variable("beta", normal(8))
        hidden = tf.nn.relu(tf.nn.batch_normalization(hidden, *used, beta, gamma, 1e-3))
        dropped = v1.cond(training, lambda: v1.nn.dropout(hidden, rate=0.0), lambda: hidden)
        flat = tf.reduce_mean(dropped, [1, 2])
        logits = tf.matmul(flat, variable("dense", normal(8, 5)))
        signatures = {
            "serving_default": signature({"x": x}, {"logits": logits}),
            "either": signature({"x": x, "training": training}, {"logits": logits, "mean": flat}),
        }
        save(folder, opened, signatures)
    x, false, true = normal(3, 12, 12, 3), np.array(False), np.array(True)
    return [
        Call("serving_default", {"x": x}),
        Call("serving_default", {"x": x[:1]}),
        Call("either", {"x": x, "training": false}),
        Call("either", {"x": x, "training": true}),
        Call("serving_default", {"x": x}),
    ]


@model()
def tf1_fused_batch_norm(folder):
    with session() as opened:
        x = v1.placeholder(F32, [None, None, None, 3], "x")
        hidden = x
        for i, width in enumerate((8, 8)):
            kernel = variable(f"kernel_{i}", 0.3 * normal(3, 3, hidden.shape[-1], width))
            hidden = tf.nn.conv2d(hidden, kernel, 1, "SAME")
            hidden, _, _ = v1.nn.fused_batch_norm(
                hidden,
                variable(f"gamma_{i}", normal(width) + 1),
                variable(f"beta_{i}", normal(width)),
                variable(f"mean_{i}", normal(width)),
                variable(f"variance_{i}", np.abs(normal(width)) + 0.5),
                is_training=False,
            )
            hidden = tf.nn.relu6(v1.nn.bias_add(hidden, variable(f"bias_{i}", normal(width))))
        pooled = tf.nn.lrn(tf.nn.max_pool2d(hidden, 2, 2, "SAME"), 2)
        save(folder, opened, {"serving_default": signature({"x": x}, {"features": pooled})})
    shapes = ((1, 10, 10), (3, 7, 12))
    return [Call("serving_default", {"x": normal(*shape, 3)}) for shape in shapes]


@model()
def tf1_estimator(folder):
    """parse_example, tables with an asset, and the signatures classify, regress and predict."""
    vocabulary = folder.parent / "jobs.txt"
    vocabulary.write_text("nurse\npilot\n")
    with session() as opened:
        serialized = v1.placeholder(tf.string, [None], "input_example_tensor")
        parsed = v1.parse_example(
            serialized,
            {
                "age": v1.FixedLenFeature([1], F32, default_value=[30.0]),
                "job": v1.VarLenFeature(tf.string),
                "scores": v1.FixedLenFeature([3], F32),
            },
        )
        asset = tf.constant(str(vocabulary), name="vocabulary")
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        jobs = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                asset,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                I64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            2,
        )
        ids = tf.SparseTensor(
            parsed["job"].indices, jobs.lookup(parsed["job"].values), parsed["job"].dense_shape
        )
        job = v1.nn.embedding_lookup_sparse(
            variable("jobs", normal(4, 4)), ids, None, combiner="mean"
        )
        joined = tf.concat([parsed["age"] / 50.0, parsed["scores"], job], 1)
        logits = tf.matmul(joined, variable("w", normal(8, 3))) + variable("b", normal(3))
        scores = tf.nn.softmax(logits)
        classes = tf.tile(tf.constant([["a", "b", "c"]]), [tf.shape(scores)[0], 1])
        signatures = {
            "serving_default": signature(
                {"inputs": serialized}, {"classes": classes, "scores": scores}, "classify"
            ),
            "regress": signature({"inputs": serialized}, {"outputs": logits[:, 0]}, "regress"),
            "predict": signature(
                {"examples": serialized},
                {"logits": logits, "class_ids": tf.argmax(logits, 1)[:, None]},
            ),
        }
        save(
            folder,
            opened,
            signatures,
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=v1.tables_initializer(),
        )
    people = strings(PEOPLE)
    return [
        Call("serving_default", {"inputs": people}),
        Call("regress", {"inputs": people[:1]}),
        Call("predict", {"examples": people[1:]}),
    ]


@model()
def tf1_control_flow(folder):
    """while_loop and cond of TensorFlow 1: Switch, Merge, Enter, Exit, nested."""
    with session() as opened:
        x = v1.placeholder(F32, [None, 3], "x")
        limit = v1.placeholder(tf.int32, [], "limit")
        weights = variable("w", normal(3, 3))

        def body(i, total, history):
            rows = v1.cond(i % 2 > 0, lambda: tf.matmul(total, weights), lambda: total + x)
            return i + 1, rows / 2, history.write(i, rows[0])

        written = tf.TensorArray(F32, limit, element_shape=[3])
        rounds, total, history = v1.while_loop(
            lambda i, *_: i < limit, body, (tf.constant(0), x, written)
        )

        def inner(j, value):
            return j + 1, value * 0.5 + tf.cast(j, F32)

        def outer(i, value):
            _, value = v1.while_loop(lambda j, _: j < i, inner, (tf.constant(0), value))
            return i + 1, value

        _, nested = v1.while_loop(lambda i, _: i < limit, outer, (tf.constant(0), x[:, 0]))
        mapped = v1.map_fn(lambda row: tf.tensordot(row, row, 1) + weights[0, 0], x)
        scanned = v1.scan(lambda state, row: state * 0.5 + row, x, tf.zeros([3]))
        outputs = {
            "rounds": rounds,
            "total": total,
            "history": history.stack(),
            "nested": nested,
            "mapped": mapped,
            "scanned": scanned,
        }
        save(folder, opened, {"serving_default": signature({"x": x, "limit": limit}, outputs)})
    return [
        Call("serving_default", {"x": normal(n, 3), "limit": np.int32(m)})
        for n, m in ((1, 4), (3, 7), (2, 0))
    ]


@model()
def tf1_lstm(folder):
    """A dynamic LSTM with sequence lengths, as a while loop of TensorFlow 1."""
    with session() as opened:
        x = v1.placeholder(F32, [None, None, 4], "x")
        lengths = v1.placeholder(tf.int32, [None], "lengths")
        kernel, bias = variable("kernel", 0.5 * normal(10, 24)), variable("bias", normal(24))
        steps, rows = tf.shape(x)[1], tf.shape(x)[0]
        inputs = tf.TensorArray(F32, steps, clear_after_read=False).unstack(
            tf.transpose(x, [1, 0, 2])
        )

        def step(i, c, h, said):
            gates = v1.nn.xw_plus_b(tf.concat([inputs.read(i), h], 1), kernel, bias)
            enter, new, forget, leave = tf.split(gates, 4, 1)
            fresh = c * tf.sigmoid(forget + 1.0) + tf.sigmoid(enter) * tf.tanh(new)
            out = tf.sigmoid(leave) * tf.tanh(fresh)
            on = (i < lengths)[:, None] & tf.ones_like(c, tf.bool)
            c, h = tf.where(on, fresh, c), tf.where(on, out, h)
            return i + 1, c, h, said.write(i, tf.where(on, out, tf.zeros_like(out)))

        zeros = tf.zeros([rows, 6])
        _, c, h, said = v1.while_loop(
            lambda i, *_: i < steps,
            step,
            (tf.constant(0), zeros, zeros, tf.TensorArray(F32, steps)),
        )
        outputs = {"c": c, "h": h, "outputs": tf.transpose(said.stack(), [1, 0, 2])}
        inputs_ = {"x": x, "lengths": lengths}
        save(folder, opened, {"serving_default": signature(inputs_, outputs)})
    return [
        Call("serving_default", {"x": normal(n, t, 4), "lengths": integers(t, n, seed=3) + 1})
        for n, t in ((1, 3), (3, 6))
    ]


@model()
def tf1_meta_graphs(folder):
    """Several MetaGraphs by tags over the same variables."""
    builder = v1.saved_model.Builder(str(folder))
    value = normal(4, 4)
    for number, tags in enumerate((("serve",), ("serve", "gpu"), ("train",))):
        with session() as opened:
            x = v1.placeholder(F32, [None, 4], "x")
            y = tf.matmul(x, variable("w", value)) * (number + 1.0)
            opened.run(v1.global_variables_initializer())
            signatures = {"serving_default": signature({"x": x}, {"y": y})}
            if number == 0:
                builder.add_meta_graph_and_variables(opened, list(tags), signatures)
            else:
                builder.add_meta_graph(list(tags), signatures)
    builder.save()
    return [
        Call("serving_default", {"x": normal(2, 4)}, tags)
        for tags in (("serve",), ("serve", "gpu"), ("train",))
    ]


@model()
def tf1_counters(folder):
    """Reference variables that requests change, with control dependencies between."""
    with session() as opened:
        by = v1.placeholder(F32, [], "by")
        count = variable("count", 0.0)
        last = variable("last", np.zeros(3, np.float32))
        add = v1.assign_add(count, by)
        with tf.control_dependencies([add]):
            kept = v1.assign(last, tf.stack([by, count.read_value(), 1.0]))
        with tf.control_dependencies([kept]):
            after = tf.identity(count.read_value())
        reset = v1.assign(count, 0.0)
        touched = v1.scatter_update(last, [1], [tf.constant(-1.0)])
        signatures = {
            "add": signature({"by": by}, {"count": after, "last": kept}),
            "get": signature({}, {"count": tf.identity(count), "last": tf.identity(last)}),
            "reset": signature({}, {"count": reset, "touched": touched}),
        }
        save(folder, opened, signatures)
    order = ["get", 1.5, 2.0, "get", "reset", "get", 3.0, "get"]
    return [
        Call(step, {}) if isinstance(step, str) else Call("add", {"by": np.float32(step)})
        for step in order
    ]


@model()
def tf1_init_op(folder):
    """Variables that are no part of the checkpoint: the init op computes them at load."""
    with session() as opened:
        x = v1.placeholder(F32, [None, 3], "x")
        saved = variable("saved", normal(3))
        derived = v1.get_variable(
            "derived", [3], collections=["local"], initializer=v1.zeros_initializer()
        )
        fill = v1.assign(derived, tf.cumsum(saved) * 2.0)
        init = tf.group(fill, v1.tables_initializer(), name="init")
        y = x * derived + saved
        save(
            folder,
            opened,
            {"serving_default": signature({"x": x}, {"y": y})},
            main_op=init,
            saver=v1.train.Saver([saved]),
        )
    return [Call("serving_default", {"x": normal(n, 3)}) for n in (1, 4)]


@model()
def tf1_frozen(folder):
    """A graph of constants, with the ops that converters leave in: identities and checks."""
    with session() as opened:
        x = v1.placeholder(F32, [None, 6, 6, 2], "x")
        hidden = tf.nn.depthwise_conv2d(x, normal(3, 3, 2, 2), [1, 1, 1, 1], "SAME")
        hidden = v1.nn.bias_add(tf.nn.conv2d(hidden, normal(1, 1, 4, 5), 1, "VALID"), normal(5))
        hidden = tf.identity(v1.check_numerics(hidden, "finite"))
        with tf.control_dependencies([v1.assert_rank(x, 4)]):
            flat = tf.reshape(hidden, [-1, 6 * 6 * 5])
        dense = tf.nn.elu(tf.matmul(flat, normal(180, 7)))
        squeezed = tf.squeeze(tf.nn.avg_pool2d(hidden, 6, 1, "VALID"), [1, 2])
        outputs = {"dense": dense, "squeezed": squeezed, "same": tf.identity(x)}
        save(folder, opened, {"serving_default": signature({"x": x}, outputs)})
    return [Call("serving_default", {"x": normal(n, 6, 6, 2)}) for n in (1, 3)]


@model()
def tf1_feature_columns(folder):
    """Wide and deep by hand: buckets, crosses, hashes and a linear part of sparse weights."""
    with session() as opened:
        age = v1.placeholder(F32, [None], "age")
        city = v1.placeholder(tf.string, [None], "city")
        bucket = tf.raw_ops.Bucketize(input=age, boundaries=[18.0, 40.0, 65.0])
        hashed = tf.strings.to_hash_bucket_fast(city, 10)
        crossed = tf.strings.to_hash_bucket_fast(
            tf.strings.join([city, tf.strings.as_string(bucket)], "_X_"), 16
        )
        wide = tf.gather(variable("wide", normal(16)), crossed)
        deep = tf.concat(
            [tf.one_hot(bucket, 4), tf.gather(variable("cities", normal(10, 5)), hashed)], 1
        )
        hidden = tf.nn.relu(tf.matmul(deep, variable("w", normal(9, 6))))
        score = tf.sigmoid(tf.matmul(hidden, variable("v", normal(6, 1)))[:, 0] + wide)
        inputs = {"age": age, "city": city}
        save(folder, opened, {"serving_default": signature(inputs, {"score": score})})
    cities = strings(["Oslo", "Bern", "Lima", ""])
    ages = np.array([17.5, 40.0, 64.9, 99.0], np.float32)
    return [Call("serving_default", {"age": ages[:n], "city": cities[:n]}) for n in (1, 4, 0)]


@model()
def tf1_text_embedding(folder):
    """What text embeddings of the model hub do: clean, split, look up, sum sparsely."""
    vocabulary = folder.parent / "tokens.txt"
    vocabulary.write_text("the\ncat\nsat\n")
    with session() as opened:
        text = v1.placeholder(tf.string, [None], "text")
        clean = v1.regex_replace(v1.strings.lower(text), r"[^a-z ]", " ")
        tokens = v1.string_split(clean, " ")
        tokens, _ = v1.sparse_fill_empty_rows(tokens, "")
        asset = tf.constant(str(vocabulary))
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        table = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                asset,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                I64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            4,
        )
        ids = tf.SparseTensor(tokens.indices, table.lookup(tokens.values), tokens.dense_shape)
        weights = variable("embeddings", normal(7, 16))
        sums = v1.nn.embedding_lookup_sparse(weights, ids, None, combiner="sqrtn")
        save(
            folder,
            opened,
            {"default": signature({"text": text}, {"embedding": sums})},
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=v1.tables_initializer(),
        )
    texts = strings(["The cat sat!", "", "dogs & cats, the cat"])
    return [Call("default", {"text": texts[:n]}) for n in (1, 3)]
