"""Models that take strings, serialized tf.Examples or encoded images."""

import io

import numpy as np
import tensorflow as tf
from exporting import F32, I64, functions, single, spec
from PIL import Image
from zoo import Call, integers, model, normal, strings

STRING = tf.string


def example(**features):
    """A serialized tf.Example; bytes, whole numbers and floats find their own list."""
    made = tf.train.Example()
    for key, values in features.items():
        feature = made.features.feature[key]
        if not values:
            feature.SetInParent()
        elif isinstance(values[0], (bytes, str)):
            encoded = [v if isinstance(v, bytes) else v.encode() for v in values]
            feature.bytes_list.value.extend(encoded)
        elif isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)
    return made.SerializeToString()


def _table(keys, values, default):
    initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
    return tf.lookup.StaticHashTable(initializer, default)


PEOPLE = [
    example(age=[41.0], job=["nurse"], tags=["a", "b"], scores=[0.5, 0.25, 1.0]),
    example(age=[19.5], job=["pilot"], tags=[], scores=[1.0, 2.0, 3.0]),
    example(job=["nobody"], tags=["zzz"], scores=[0.0, 0.0, -1.0], extra=[3]),
]


@model()
def example_estimator(folder):
    """What estimators exported: classify and regress over tf.Examples, predict over features."""
    module = tf.Module()
    module.jobs = _table(["nurse", "pilot"], tf.constant([0, 1], I64), 2)
    module.embedding = tf.Variable(normal(3, 4))
    module.weights = tf.Variable(normal(8, 3))
    module.bias = tf.Variable(normal(3))
    names = tf.constant(["low", "middle", "high"])
    features = {
        "age": tf.io.FixedLenFeature([1], F32, default_value=[33.0]),
        "job": tf.io.FixedLenFeature([1], STRING, default_value=""),
        "scores": tf.io.FixedLenFeature([3], F32),
        "tags": tf.io.VarLenFeature(STRING),
    }

    def logits(parsed):
        job = tf.gather(module.embedding, module.jobs.lookup(parsed["job"]))[:, 0]
        age = (parsed["age"] - 30.0) / 10.0
        return tf.concat([age, parsed["scores"], job], 1) @ module.weights + module.bias

    @tf.function(input_signature=[spec("inputs", None, dtype=STRING)])
    def classify(inputs):
        scores = tf.nn.softmax(logits(tf.io.parse_example(inputs, features)))
        rows = tf.shape(scores)[0]
        return {"classes": tf.tile(names[None], [rows, 1]), "scores": scores}

    @tf.function(input_signature=[spec("inputs", None, dtype=STRING)])
    def regress(inputs):
        return {"outputs": logits(tf.io.parse_example(inputs, features))[:, :1]}

    @tf.function(input_signature=[spec("examples", None, dtype=STRING)])
    def predict(examples):
        parsed = tf.io.parse_example(examples, features)
        best = tf.argmax(logits(parsed), 1)
        return {
            "class_ids": best,
            "classes": tf.gather(names, best),
            "tags": tf.sparse.to_dense(parsed["tags"], default_value="-"),
            "tag_count": tf.reduce_sum(tf.ones_like(parsed["tags"].indices[:, 1])),
        }

    module.classify, module.regress, module.predict = classify, regress, predict
    functions(folder, module, serving_default=classify, regress=regress, predict=predict)
    broken = [example(age=[1.0]), b"not an example"]
    return [
        Call("serving_default", {"inputs": strings(PEOPLE)}),
        Call("serving_default", {"inputs": strings(PEOPLE[:1])}),
        Call("regress", {"inputs": strings(PEOPLE)}),
        Call("predict", {"examples": strings(PEOPLE)}),
        *(Call("regress", {"inputs": strings([bytes_])}) for bytes_ in broken),
        Call("predict", {"examples": strings(PEOPLE[1:])}),
    ]


@model()
def example_sequences(folder):
    """Single and sequence examples, ragged and partially fixed features."""
    module = tf.Module()

    def serve(serialized):
        parsed = tf.io.parse_example(
            serialized,
            {
                "age": tf.io.FixedLenFeature([], F32, default_value=-1.0),
                "scores": tf.io.RaggedFeature(F32),
                "tags": tf.io.FixedLenSequenceFeature([], STRING, allow_missing=True),
            },
        )
        first = tf.io.parse_single_example(
            serialized[0], {"job": tf.io.FixedLenFeature([1], STRING)}
        )
        return {
            "age": parsed["age"],
            "scores": parsed["scores"].to_tensor(9.0),
            "tags": parsed["tags"],
            "first": first["job"],
        }

    return single(
        folder,
        serve,
        [spec("serialized", None, dtype=STRING)],
        (strings(PEOPLE),),
        (strings(PEOPLE[2:]),),
        module=module,
    )


def _encoded(kind, height, width, mode="RGB"):
    shape = (height, width) if mode == "L" else (height, width, 3)
    smooth = np.add.outer(np.arange(height) * 5, np.arange(width) * 3) % 256
    pixels = integers(40, *shape) + (smooth if mode == "L" else smooth[..., None])
    out = io.BytesIO()
    Image.fromarray((pixels % 256).astype("uint8")).save(out, kind)
    return out.getvalue()


@model()
def example_png_classifier(folder):
    """PNG bytes, decoded and resized in a map, then a small convolutional net."""
    module = tf.Module()
    module.kernel = tf.Variable(0.3 * normal(3, 3, 3, 8))
    module.dense = tf.Variable(0.3 * normal(8, 4))
    module.names = tf.constant(["cat", "dog", "bird", "fish"])

    def prepare(data):
        image = tf.io.decode_png(data, channels=3)
        image = tf.image.resize(tf.image.convert_image_dtype(image, F32), [24, 24])
        return tf.ensure_shape(image, [24, 24, 3]) - 0.5

    def serve(image_bytes):
        images = tf.map_fn(prepare, image_bytes, fn_output_signature=F32)
        hidden = tf.nn.relu(tf.nn.conv2d(images, module.kernel, 2, "SAME"))
        scores = tf.nn.softmax(tf.reduce_mean(hidden, [1, 2]) @ module.dense)
        best, index = tf.math.top_k(scores, 2)
        return {"scores": scores, "best": best, "names": tf.gather(module.names, index)}

    pictures = [_encoded("PNG", 20, 30), _encoded("PNG", 24, 24), _encoded("PNG", 50, 11, "L")]
    return single(
        folder,
        serve,
        [spec("image_bytes", None, dtype=STRING)],
        (strings(pictures),),
        (strings(pictures[1:2]),),
        (strings([b"not a picture"]),),
        module=module,
    )


@model()
def example_image_formats(folder):
    """PNG, JPEG, GIF and BMP by their content, and base64 as web clients send it."""

    def serve(picture, encoded):
        image = tf.io.decode_image(picture, channels=3, expand_animations=False)
        again = tf.io.decode_png(tf.io.decode_base64(encoded))
        return {"image": image, "shape": tf.shape(image), "again": again}

    png = _encoded("PNG", 9, 7)
    web = strings([tf.io.encode_base64(png).numpy()]).reshape(())
    return single(
        folder,
        serve,
        [spec("picture", dtype=STRING), spec("encoded", dtype=STRING)],
        *[(strings([p]).reshape(()), web) for p in (png, _encoded("BMP", 6, 5))],
        (strings([_encoded("PNG", 4, 6, "L")]).reshape(()), web),
    )


@model(tolerance=5e-2)
def example_jpeg_features(folder):
    """JPEG bytes to features; decoders of JPEG may differ by a unit or two."""
    module = tf.Module()
    module.kernel = tf.Variable(0.3 * normal(5, 5, 3, 6))

    def serve(image_bytes):
        image = tf.cast(tf.io.decode_jpeg(image_bytes[0], channels=3), F32)[None]
        small = tf.image.resize(image, [32, 32], antialias=True) / 255
        return {"features": tf.nn.conv2d(small, module.kernel, 4, "VALID")}

    pictures = [_encoded("JPEG", 64, 48), _encoded("JPEG", 33, 70, "L")]
    specs = [spec("image_bytes", None, dtype=STRING)]
    return single(folder, serve, specs, *[(strings([p]),) for p in pictures], module=module)


@model()
def example_string_features(folder):
    """String ops: case, joins, splits, substrings, patterns, hashes, numbers, lengths."""

    def serve(text, number):
        words = tf.strings.split(text)
        return {
            "lower": tf.strings.lower(text, encoding="utf-8"),
            "joined": tf.strings.join([text, number], separator="|"),
            "words": words.to_tensor(""),
            "grams": tf.strings.ngrams(words, 2).to_tensor("-"),
            "start": tf.strings.substr(text, 0, 2),
            "clean": tf.strings.regex_replace(text, r"[^\w\s]", ""),
            "match": tf.strings.regex_full_match(text, r"(?i)[a-z ]+"),
            "hash": tf.strings.to_hash_bucket_fast(text, 1000),
            "strong": tf.strings.to_hash_bucket_strong(text, 1000, [1, 2]),
            "number": tf.strings.to_number(number),
            "text": tf.strings.as_string(tf.strings.to_number(number) * 2, precision=2),
            "length": tf.strings.length(text, unit="UTF8_CHAR"),
            "reduced": tf.strings.reduce_join(text, separator=","),
            "strip": tf.strings.strip(text),
            "codes": tf.strings.unicode_decode(text, "UTF-8").to_tensor(-1),
            "format": tf.strings.format("{} of {}", (number[0], text[0])),
            "equal": tf.equal(text, "the cat"),
        }

    texts = ["The cat sat.", " naïve  café ", "the cat", "日本 語"]
    specs = [spec("text", None, dtype=STRING), spec("number", None, dtype=STRING)]
    return single(
        folder,
        serve,
        specs,
        (strings(texts), strings(["1", "-2.5", "1e3", "007"])),
        (strings(texts[:1]), strings(["3.25"])),
        (strings(texts[:1]), strings(["three"])),
    )


@model()
def example_tables(folder):
    """Tables of every kind, from files and from constants, and one that requests fill."""
    vocabulary = folder.parent / "words.txt"
    vocabulary.write_text("the\ncat\nsat\non\n")
    module = tf.Module()
    lines = tf.lookup.TextFileIndex
    module.words = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            str(vocabulary), STRING, lines.WHOLE_LINE, I64, lines.LINE_NUMBER
        ),
        num_oov_buckets=3,
    )
    module.back = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(vocabulary), I64, lines.LINE_NUMBER, STRING, lines.WHOLE_LINE
        ),
        "?",
    )
    module.weights = _table(tf.constant([1, 2, 5], I64), tf.constant([0.5, 0.25, 4.0]), -1.0)
    module.seen = tf.lookup.experimental.MutableHashTable(STRING, I64, 0)

    @tf.function(input_signature=[spec("words", None, dtype=STRING)])
    def lookup(words):
        ids = module.words.lookup(words)
        return {
            "ids": ids,
            "back": module.back.lookup(ids),
            "weights": module.weights.lookup(ids),
            "size": module.words.size(),
            "seen": module.seen.lookup(words),
        }

    @tf.function(input_signature=[spec("words", None, dtype=STRING)])
    def learn(words):
        unique, _, counts = tf.unique_with_counts(words, out_idx=I64)
        module.seen.insert(unique, module.seen.lookup(unique) + counts)
        return {"known": module.seen.size()}

    module.lookup, module.learn = lookup, learn
    functions(folder, module, serving_default=lookup, learn=learn)
    words = strings(["cat", "dog", "the", "", "sat", "cat"])
    return [
        Call(name, {"words": array})
        for name, array in [
            ("serving_default", words),
            ("learn", words[:3]),
            ("learn", words),
            ("serving_default", words),
            ("serving_default", words[:0]),
        ]
    ]


@model()
def example_rows(folder):
    """CSV lines, JSON-like decoding of raw bytes, and dates by their parts."""

    def serve(lines, raw):
        number, name, weight = tf.io.decode_csv(
            lines, [tf.constant([], I64), tf.constant([""]), tf.constant([1.5])]
        )
        parts = tf.strings.split(name, "-").to_tensor("0", shape=[None, 3])
        return {
            "number": number,
            "weight": weight,
            "year": tf.strings.to_number(parts[:, 0], I64),
            "values": tf.io.decode_raw(raw, F32),
            "shorts": tf.io.decode_raw(raw, tf.int16, little_endian=False),
        }

    lines = ["3,2024-01-05,2.5", "-7,1999-12,", '12,"2001-2-3",1e2']
    raw = [normal(2, seed=i).tobytes() for i in range(3)]
    return single(
        folder,
        serve,
        [spec("lines", None, dtype=STRING), spec("raw", None, dtype=STRING)],
        (strings(lines), strings(raw)),
        (strings(lines[:1]), strings(raw[:1])),
        (strings(["only one"]), strings(raw[:1])),
    )
