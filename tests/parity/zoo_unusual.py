"""Models of kinds that are seldom served: gradients, training, sound, cells of one's own."""

import struct

import keras
import numpy as np
import tensorflow as tf
from exporting import I32, I64, functions, keras_model, single, spec
from keras import layers as L
from zoo import Call, integers, model, normal, strings

K = keras.ops


@model()
def unusual_saliency(folder):
    """How much each pixel counts: the gradient of a class through a small convolutional net."""
    first, second = tf.constant(normal(3, 3, 3, 4)), tf.constant(normal(3, 3, 4, 1, seed=1))
    scale, offset = tf.ones([4]), tf.zeros([4])

    def serve(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            hidden = tf.nn.bias_add(tf.nn.conv2d(image, first, 1, "SAME"), [0.1, 0.2, 0.3, 0.4])
            hidden = tf.nn.max_pool2d(tf.nn.relu(hidden), 2, 2, "SAME")
            hidden = tf.nn.elu(tf.nn.depthwise_conv2d(hidden, second, [1, 1, 1, 1], "SAME"))
            hidden, _, _ = tf.compat.v1.nn.fused_batch_norm(hidden, scale, offset)
            hidden = tf.nn.avg_pool2d(tf.nn.leaky_relu(hidden[:, 1:]), 2, 1, "SAME")
            hidden = tf.nn.selu(hidden) + tf.nn.softplus(hidden) + tf.nn.relu6(hidden)
            score = tf.nn.softmax(tf.reduce_mean(hidden, [1, 2]))[:, 1]
        return {"score": score, "saliency": tape.gradient(score, image)}

    return single(
        folder,
        serve,
        [spec("image", None, 8, 10, 3)],
        (np.abs(normal(1, 8, 10, 3)),),
        (np.abs(normal(3, 8, 10, 3)),),
    )


@model(optimizer="momentum")
@model(optimizer="adam")
def unusual_training(folder, optimizer):
    """A model that goes on learning where it is served, and answers in between."""
    raw = tf.raw_ops
    module = tf.Module()
    module.weights = tf.Variable(normal(4, 3))
    module.bias = tf.Variable(tf.zeros([3]))
    slots = [
        [tf.Variable(tf.zeros(v.shape)) for _ in range(2)] for v in (module.weights, module.bias)
    ]
    module.slots = slots

    def move(variable, slots, gradient):
        if optimizer == "momentum":
            raw.ResourceApplyMomentum(
                var=variable.handle, accum=slots[0].handle, lr=0.1, grad=gradient, momentum=0.9
            )
        else:
            raw.ResourceApplyAdam(
                var=variable.handle, m=slots[0].handle, v=slots[1].handle, beta1_power=0.9,
                beta2_power=0.99, lr=0.1, beta1=0.9, beta2=0.99, epsilon=1e-5, grad=gradient,
            )  # fmt: skip

    @tf.function(input_signature=[spec("x", None, 4), spec("y", None, dtype=I32)])
    def train(x, y):
        with tf.GradientTape() as tape:
            logits = tf.nn.bias_add(x @ module.weights, module.bias)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        gradients = tape.gradient(loss, [module.weights, module.bias])
        move(module.weights, slots[0], gradients[0])
        move(module.bias, slots[1], gradients[1])
        return {"loss": loss}

    @tf.function(input_signature=[spec("x", None, 4)])
    def infer(x):
        return {"scores": tf.nn.softmax(x @ module.weights + module.bias)}

    functions(folder, module, train=train, infer=infer)
    ask = Call("infer", {"x": normal(2, 4)})
    steps = [Call("train", {"x": normal(6, 4, seed=i), "y": integers(3, 6)}) for i in range(3)]
    return [ask, *steps, ask]


def _wav(samples, channels=1):
    data = (3000 * normal(samples, channels)).astype("<i2").tobytes()
    described = struct.pack("<HHIIHH", 1, channels, 16000, 32000 * channels, 2 * channels, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16)
    return np.array(head + described + b"data" + struct.pack("<I", len(data)) + data, object)


@model()
def unusual_speech_commands(folder):
    """A WAV file to words, by cepstra, as the speech tutorial has it."""
    module = tf.Module()
    module.weights = tf.Variable(normal(13, 4))

    def serve(wav):
        sound, rate = tf.audio.decode_wav(wav, desired_channels=1, desired_samples=1600)
        spectrogram = tf.raw_ops.AudioSpectrogram(
            input=sound, window_size=480, stride=160, magnitude_squared=True
        )
        cepstra = tf.raw_ops.Mfcc(spectrogram=spectrogram, sample_rate=rate)
        scores = tf.nn.softmax(tf.reduce_mean(cepstra, 1) @ module.weights)
        return {"scores": scores, "cepstra": cepstra, "wav": tf.audio.encode_wav(sound, rate)}

    batches = [(_wav(1600),), (_wav(900, 2),), (np.array(b"RIFF but no sound", object),)]
    return single(folder, serve, [spec("wav", dtype=tf.string)], *batches, module=module)


@model()
def unusual_state(folder):
    """Slices of variables replaced, a history that grows, and a signature without inputs."""
    module = tf.Module()
    module.table = tf.Variable(normal(3, 4))
    module.history = tf.Variable(tf.zeros([0, 4]), shape=[None, 4])
    module.label = tf.Variable("start")

    @tf.function(input_signature=[spec("row", dtype=I32), spec("x", 4)])
    def put(row, x):
        module.table[row].assign(x)
        module.table[0:2, 1].assign([9.0, 8.0])
        module.history.assign(tf.concat([module.history, x[None]], 0))
        return {"table": module.table.read_value(), "history": module.history.read_value()}

    @tf.function(input_signature=[])
    def status():
        module.label.assign(tf.strings.join([module.label, "!"]))
        return {"name": module.label.read_value(), "rows": tf.shape(module.history)[0]}

    functions(folder, module, put=put, status=status)
    puts = [Call("put", {"row": np.int32(r), "x": normal(4, seed=r + 9)}) for r in (1, -1, 2, 7)]
    return [Call("status", {}), *puts[:3], Call("status", {}), puts[3]]


class _Cell(L.Layer):
    """A recurrent cell that Keras does not have."""

    def __init__(self, units):
        super().__init__()
        self.units = self.state_size = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units))
        self.recurrent = self.add_weight(shape=(self.units, self.units))

    def call(self, x, states):
        made = K.tanh(K.matmul(x, self.kernel) + 0.5 * K.matmul(states[0], self.recurrent))
        return made, [made]


@model()
def unusual_layers(folder):
    """A cell of one's own, axes in the middle, groups of volumes, and directions that differ."""
    x = keras.Input((None, 4), name="x")
    volume = keras.Input((6, 6, 6, 4), name="volume")
    other_way = L.GRU(3, return_sequences=True, go_backwards=True)
    outputs = {
        "cell": L.RNN(_Cell(5))(x),
        "cell_masked": L.RNN(_Cell(3), return_sequences=True)(L.Masking()(x)),
        "mixed": L.Bidirectional(L.LSTM(3, return_sequences=True), backward_layer=other_way)(x),
        "log_softmax": L.Lambda(lambda t: tf.nn.log_softmax(t, 1) * 2)(x),
        "finite": L.Lambda(lambda t: K.nan_to_num(K.log(t)) + K.logsumexp(t, 1, keepdims=True))(x),
        "groups": L.Conv3D(4, 2, groups=2)(volume),
        "heads": L.MultiHeadAttention(2, 4, attention_axes=(1, 2))(volume, volume),
    }

    def batch(rows, length):
        return {"x": normal(rows, length, 4), "volume": normal(rows, 6, 6, 6, 4)}

    return keras_model(folder, [x, volume], outputs, batch(1, 5), batch(3, 2))


@model(mode="int8")
@model(mode="int4")
def unusual_quantised(folder, mode):
    """Weights of few bits, scaled back while serving."""
    x = keras.Input((16,), name="x")
    net = keras.Model(x, {"y": L.Dense(4)(L.Dense(8, "relu")(x))})
    net.quantize(mode)
    net.export(folder, verbose=False)
    return [Call("serving_default", {"x": normal(rows, 16)}) for rows in (1, 3, 0)]


@model()
def unusual_table_files(folder):
    """Columns of one text file as tables of several kinds, in one signature."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / "columns.tsv"
    path.write_text("a\t1\t0.5\nb\t2\t1.5\nc\t7\t2.5\n")
    module = tf.Module()

    def column(*which):
        return tf.lookup.TextFileInitializer(str(path), *which, delimiter="\t")

    lines = tf.lookup.TextFileIndex.LINE_NUMBER
    module.ids = tf.lookup.StaticHashTable(column(tf.string, 0, I64, 1), -1)
    module.weights = tf.lookup.StaticHashTable(column(I64, 1, tf.float32, 2), -1.0)
    module.words = tf.lookup.StaticVocabularyTable(column(tf.string, 0, I64, lines), 3)

    def serve(word):
        ids = module.ids.lookup(word)
        weights = module.weights.lookup(ids)
        return {"ids": ids, "weights": weights, "places": module.words.lookup(word)}

    batches = [(strings(["a", "zz"]),), (strings(["c"]),), (strings([]).reshape(0),)]
    return single(folder, serve, [spec("word", None, dtype=tf.string)], *batches, module=module)
