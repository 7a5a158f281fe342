"""What stands behind nets, and other arithmetic: detection, ranking, spectra, einsum."""

import numpy as np
import tensorflow as tf
from exporting import F32, I32, I64, single, spec
from zoo import integers, model, normal


@model()
def head_detection(folder):
    """Boxes from anchors, then suppression for each class, padded to a fixed number."""
    module = tf.Module()
    module.anchors = tf.Variable(np.abs(normal(40, 4)))

    def detect(boxes, scores):
        centre = module.anchors[:, :2] + 0.1 * boxes[..., :2]
        size = tf.exp(0.2 * boxes[..., 2:]) * module.anchors[:, 2:]
        corners = tf.concat([centre - size / 2, centre + size / 2], -1)
        found = tf.image.combined_non_max_suppression(
            corners[:, :, None, :], scores, 5, 8, 0.4, 0.3, clip_boxes=False
        )
        first = tf.image.non_max_suppression(corners[0], scores[0, :, 0], 6, 0.5)
        return {
            "boxes": found.nmsed_boxes,
            "scores": found.nmsed_scores,
            "classes": found.nmsed_classes,
            "count": found.valid_detections,
            "first": tf.gather(corners[0], first),
            "first_index": first,
        }

    batches = [(normal(n, 40, 4), 1 / (1 + np.exp(-normal(n, 40, 3, seed=2)))) for n in (1, 3)]
    batches.append((normal(2, 40, 4), np.zeros((2, 40, 3), np.float32)))
    specs = [spec("boxes", None, 40, 4), spec("scores", None, 40, 3)]
    return single(folder, detect, specs, *batches, module=module)


@model()
def head_roi_pooling(folder):
    """Crops of a feature map around boxes, soft suppression, and a mask from scores."""

    def pool(image, boxes, scores):
        crops = tf.image.crop_and_resize(image, boxes, tf.zeros_like(boxes[:, 0], I32), [5, 5])
        kept, soft = tf.image.non_max_suppression_with_scores(
            boxes, scores, 5, 0.5, soft_nms_sigma=0.4
        )
        return {
            "crops": tf.nn.avg_pool2d(crops, 2, 2, "VALID"),
            "kept": kept,
            "soft": soft,
            "mask": tf.boolean_mask(boxes, scores > 0.5),
            "where": tf.where(scores > 0.5),
        }

    def batch(rows):
        corner = np.random.default_rng(rows).random((rows, 2)) * 0.6
        boxes = np.concatenate([corner, corner + 0.35], 1).astype("float32")
        return normal(1, 16, 20, 3), boxes, np.abs(normal(rows)) % 1

    specs = [spec("image", 1, None, None, 3), spec("boxes", None, 4), spec("scores", None)]
    return single(folder, pool, specs, batch(1), batch(7))


@model()
def head_ranking(folder):
    """top_k, sort, argsort, unique, searchsorted, in_top_k, cumulative sums and ranks."""

    def rank(x, labels):
        best, index = tf.math.top_k(x, 3)
        values, position, counts = tf.unique_with_counts(labels)
        return {
            "best": best,
            "index": index,
            "sorted": tf.sort(x, direction="DESCENDING"),
            "order": tf.argsort(x, stable=True),
            "values": values,
            "position": position,
            "counts": counts,
            "hit": tf.math.in_top_k(labels % 6, x, 2),
            "running": tf.cumsum(x, axis=1, exclusive=True, reverse=True),
            "products": tf.math.cumprod(x, axis=1),
            "bins": tf.searchsorted(tf.sort(x), x[:, :2], side="right"),
            "median": tf.sort(x, axis=1)[:, 3],
            "smallest": tf.argmin(x, axis=1),
            "histogram": tf.histogram_fixed_width(x, [-2.0, 2.0], nbins=5),
            "bincount": tf.math.bincount(labels, minlength=6),
            "segments": tf.math.segment_mean(x, tf.sort(labels)),
            "unsorted": tf.math.unsorted_segment_max(x, labels, 6),
        }

    batches = [(normal(n, 6), integers(6, n)) for n in (1, 3, 8)]
    specs = [spec("x", None, 6), spec("labels", None, dtype=I32)]
    return single(folder, rank, specs, *batches)


@model()
def head_beam_and_ctc(folder):
    """Speech heads: greedy and beam CTC decoding, edit distance to a reference."""

    def decode(logits, lengths):
        greedy, score = tf.nn.ctc_greedy_decoder(logits, lengths)
        beams, log = tf.nn.ctc_beam_search_decoder(logits, lengths, beam_width=4, top_paths=2)
        return {
            "greedy": tf.sparse.to_dense(greedy[0], -1),
            "score": score,
            "best": tf.sparse.to_dense(beams[0], -1),
            "second": tf.sparse.to_dense(beams[1], -1),
            "log": log,
            "distance": tf.edit_distance(greedy[0], beams[0]),
        }

    batches = [(3 * normal(8, n, 5), np.full(n, 8, np.int32) - np.arange(n)) for n in (1, 3)]
    batches = [(logits, lengths.astype("int32")) for logits, lengths in batches]
    specs = [spec("logits", None, None, 5), spec("lengths", None, dtype=I32)]
    return single(folder, decode, specs, *batches)


@model()
def head_einsum(folder):
    """Attention, bilinear forms and diagonals, all by einsum."""
    module = tf.Module()
    module.query = tf.Variable(normal(16, 4, 8))
    module.form = tf.Variable(normal(6, 16, 16))

    def serve(x, y):
        q = tf.einsum("btd,dhk->bhtk", x, module.query)
        k = tf.einsum("bsd,dhk->bhsk", y, module.query)
        scores = tf.nn.softmax(tf.einsum("bhtk,bhsk->bhts", q, k) / 8.0**0.5)
        mixed = tf.einsum("bhts,bhsk->bthk", scores, k)
        return {
            "mixed": mixed,
            "merged": tf.einsum("bthk,dhk->btd", mixed, module.query),
            "bilinear": tf.einsum("btd,rde,bte->btr", x, module.form, x),
            "trace": tf.einsum("bii->b", tf.matmul(x, x, transpose_b=True)),
            "total": tf.einsum("btd->", x),
            "outer": tf.einsum("bt,bs->bts", x[..., 0], y[..., 0]),
            "any": tf.einsum("...td,de->...te", x, module.form[0]),
        }

    batches = [(normal(b, t, 16), normal(b, s, 16)) for b, t, s in ((1, 4, 5), (3, 2, 7))]
    strange = normal(3, 2, 16)
    strange[1, 0, 3], strange[2, 1, 5] = np.nan, np.inf
    batches.append((strange, normal(3, 7, 16)))
    specs = [spec("x", None, None, 16), spec("y", None, None, 16)]
    return single(folder, serve, specs, *batches, module=module)


@model()
def head_spectra(folder):
    """Mel spectrogram and cepstrum of audio of any length, and the way back."""

    def serve(audio):
        spectrum = tf.signal.stft(audio, 256, 128)
        power = tf.abs(spectrum) ** 2
        mel = tf.signal.linear_to_mel_weight_matrix(20, 129, 8000, 80.0, 3800.0)
        log = tf.math.log(tf.tensordot(power, mel, 1) + 1e-6)
        return {
            "spectrum": spectrum,
            "log_mel": log,
            "cepstrum": tf.signal.mfccs_from_log_mel_spectrograms(log)[..., :13],
            "back": tf.signal.inverse_stft(spectrum, 256, 128),
            "phase": tf.math.angle(spectrum[..., 1:4]),
            "frames": tf.signal.frame(audio, 100, 50, pad_end=True),
        }

    return single(folder, serve, [spec("audio", None, None)], (normal(1, 1000),), (normal(3, 700),))


@model()
def head_transforms(folder):
    """FFTs of one to three dimensions, cosine transforms, windows and convolution by FFT."""

    def serve(x):
        spectrum = tf.signal.rfft2d(x)
        signal = tf.complex(x, x[:, ::-1])
        return {
            "fft": tf.signal.fft(signal),
            "ifft": tf.signal.ifft(signal),
            "fft2": tf.signal.fft2d(signal),
            "fft3": tf.signal.fft3d(signal),
            "rfft": tf.signal.rfft(x, [12]),
            "smooth": tf.signal.irfft2d(spectrum * tf.cast(tf.abs(spectrum) > 1, tf.complex64)),
            "dct": tf.signal.dct(x, norm="ortho"),
            "idct": tf.signal.idct(x),
            "shifted": tf.signal.fftshift(x, axes=[1, 2]),
            "window": x * tf.signal.hann_window(8) + tf.signal.hamming_window(8),
            "magnitude": tf.abs(signal),
            "conjugate": tf.math.conj(signal) * signal,
            "real": tf.math.real(tf.exp(1j * signal)),
        }

    return single(folder, serve, [spec("x", None, 8, 8)], (normal(1, 8, 8),), (normal(3, 8, 8),))


@model()
def head_augmentation(folder):
    """Image ops that change colours, geometry and contrast, none of them random."""

    def serve(image):
        picture = tf.cast(image, F32) / 255
        return {
            "brighter": tf.image.adjust_brightness(picture, 0.2),
            "contrast": tf.image.adjust_contrast(picture, 1.7),
            "gamma": tf.image.adjust_gamma(picture, 0.8),
            "hue": tf.image.adjust_hue(picture, 0.15),
            "saturation": tf.image.adjust_saturation(picture, 0.4),
            "grey": tf.image.rgb_to_grayscale(image),
            "hsv": tf.image.rgb_to_hsv(picture),
            "rgb": tf.image.hsv_to_rgb(picture),
            "yuv": tf.image.rgb_to_yuv(picture),
            "yiq": tf.image.rgb_to_yiq(picture),
            "flipped": tf.image.flip_left_right(image),
            "turned": tf.image.rot90(image),
            "crop": tf.image.central_crop(picture, 0.5),
            "padded": tf.image.resize_with_pad(picture, 20, 20),
            "cropped": tf.image.resize_with_crop_or_pad(image, 7, 15),
            "standard": tf.image.per_image_standardization(image),
            "patches": tf.image.extract_patches(
                picture, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME"
            ),
            "edges": tf.image.sobel_edges(picture),
            "total": tf.image.total_variation(picture),
            "antialiased": tf.image.resize(picture, [5, 6], antialias=True),
            "doubled": tf.image.resize(picture, tf.shape(image)[1:3] * 2),
            "nearest": tf.image.resize(image, [9, 4], method="nearest"),
            "converted": tf.image.convert_image_dtype(image, F32),
        }

    return single(
        folder,
        serve,
        [spec("image", None, None, None, 3, dtype=tf.uint8)],
        (integers(256, 1, 12, 10, 3, dtype="uint8"),),
        (integers(256, 3, 9, 16, 3, dtype="uint8"),),
    )


@model()
def head_quantised(folder):
    """A net trained with fake quantisation: the bounds are constants and variables."""
    module = tf.Module()
    module.kernel = tf.Variable(0.3 * normal(3, 3, 3, 8))
    module.dense = tf.Variable(0.3 * normal(8, 4))
    module.low = tf.Variable(-1.5)
    module.high = tf.Variable(2.0)

    def serve(x):
        hidden = tf.quantization.fake_quant_with_min_max_args(x, -3.0, 3.0)
        kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            module.kernel, tf.fill([8], -0.8), tf.linspace(0.5, 1.2, 8), narrow_range=True
        )
        hidden = tf.nn.relu6(tf.nn.conv2d(hidden, kernel, 2, "SAME"))
        hidden = tf.quantization.fake_quant_with_min_max_vars(hidden, 0.0, 6.0, num_bits=8)
        pooled = tf.reduce_mean(hidden, [1, 2])
        logits = tf.quantization.fake_quant_with_min_max_vars(
            pooled @ module.dense, module.low, module.high, num_bits=6
        )
        return {"pooled": pooled, "logits": logits}

    batches = [(normal(n, 12, 12, 3),) for n in (1, 3)]
    return single(folder, serve, [spec("x", None, 12, 12, 3)], *batches, module=module)


@model()
def head_ragged(folder):
    """Rows of different lengths inside, dense tensors at both ends."""
    module = tf.Module()
    module.table = tf.Variable(normal(30, 5))

    def serve(flat, lengths):
        ragged = tf.RaggedTensor.from_row_lengths(flat, lengths)
        vectors = tf.gather(module.table, ragged)
        pairs = tf.concat([ragged, ragged[:, :1]], axis=1)
        return {
            "dense": ragged.to_tensor(-1),
            "mean": tf.reduce_mean(vectors, axis=1),
            "longest": ragged.bounding_shape(),
            "sums": tf.reduce_sum(ragged, axis=1),
            "pairs": pairs.to_tensor(),
            "mask": tf.sequence_mask(ragged.row_lengths(), 6),
            "reversed": tf.reverse_sequence(ragged.to_tensor(shape=[None, 6]), lengths, 1),
            "doubled": tf.ragged.map_flat_values(lambda v: v * 2, ragged).flat_values,
            "starts": ragged.row_starts(),
            "rows": ragged.value_rowids(),
        }

    batches = [
        (integers(30, sum(lengths), dtype="int64"), np.array(lengths, np.int64))
        for lengths in ([3], [2, 0, 5], [1, 1, 1, 1])
    ]
    specs = [spec("flat", None, dtype=I64), spec("lengths", None, dtype=I64)]
    return single(folder, serve, specs, *batches, module=module)


@model()
def head_sparse(folder):
    """Sparse tensors inside: products, sums, softmax, reordering, embedding lookups."""
    module = tf.Module()
    module.table = tf.Variable(normal(9, 4))

    def serve(x, ids):
        sparse = tf.sparse.from_dense(tf.where(x > 0.3, x, 0.0))
        tokens = tf.sparse.from_dense(ids)
        product = tf.sparse.sparse_dense_matmul(sparse, module.table[:6])
        embedded = tf.nn.safe_embedding_lookup_sparse(module.table, tokens, combiner="mean")
        weighted = tf.nn.embedding_lookup_sparse(
            module.table, tokens, tf.cast(tokens, F32) * 0.5, combiner="sqrtn"
        )
        both = tf.sparse.add(sparse, tf.sparse.from_dense(x))
        return {
            "product": product,
            "embedded": embedded,
            "weighted": weighted,
            "sum": tf.sparse.reduce_sum(sparse, axis=1),
            "softmax": tf.sparse.to_dense(tf.sparse.softmax(sparse)),
            "transposed": tf.sparse.to_dense(tf.sparse.transpose(sparse)),
            "both": tf.sparse.to_dense(both),
            "sliced": tf.sparse.to_dense(tf.sparse.slice(sparse, [0, 1], [2, 3])),
            "joined": tf.sparse.to_dense(tf.sparse.concat(1, [sparse, sparse])),
            "filled": tf.sparse.fill_empty_rows(sparse, 7.0)[0].values,
            "shape": sparse.dense_shape,
        }

    batches = [(normal(n, 6), integers(9, n, 3) + 0) for n in (1, 3)]
    batches = [(x, np.maximum(ids, 1)) for x, ids in batches]
    specs = [spec("x", None, 6), spec("ids", None, 3, dtype=I32)]
    return single(folder, serve, specs, *batches, module=module)


@model()
def head_geometry(folder):
    """Indexing of every kind: strides, gather_nd, scatter_nd, one_hot, where, tile, pad."""

    def serve(x, ids):
        rows = tf.shape(x)[0]
        return {
            "strided": x[:, ::-2, tf.newaxis, 1:],
            "ellipsis": x[..., -1],
            "gathered": tf.gather(x, ids, axis=1),
            "batched": tf.gather(x, tf.tile(ids[None], [rows, 1]), batch_dims=1),
            "points": tf.gather_nd(x, tf.stack([tf.zeros_like(ids), ids], 1)),
            "scattered": tf.scatter_nd(ids[:, None], tf.cast(ids, F32), [9]),
            "updated": tf.tensor_scatter_nd_update(x[0], ids[:, None], x[0, : tf.size(ids)]),
            "one_hot": tf.one_hot(ids, 5, 2.0, -1.0, axis=0),
            "chosen": tf.where(x > 0, x, tf.zeros_like(x) - 1),
            "tiled": tf.tile(x, [1, 2, 1]),
            "padded": tf.pad(x, [[0, 0], [1, 2], [0, 1]], "REFLECT"),
            "symmetric": tf.pad(x, [[0, 0], [2, 0], [1, 1]], "SYMMETRIC"),
            "rolled": tf.roll(x, [1, -2], [1, 2]),
            "repeated": tf.repeat(ids, ids),
            "stacked": tf.stack(tf.unstack(x, axis=2)[::-1], 1),
            "split": tf.split(x, [1, 2], axis=2)[1],
            "band": tf.linalg.band_part(x, 1, 0),
            "diagonal": tf.linalg.diag_part(x),
            "mesh": tf.meshgrid(tf.cast(ids, F32), x[0, :, 0])[1],
            "broadcast": tf.broadcast_to(x[:, :1], tf.shape(x)),
            "space": tf.nn.space_to_depth(tf.reshape(x[:, :4, :2], [-1, 2, 2, 2]), 2),
        }

    batches = [(normal(n, 4, 3), np.array([2, 0, 3], np.int32)) for n in (1, 3)]
    specs = [spec("x", None, 4, 3), spec("ids", None, dtype=I32)]
    return single(folder, serve, specs, *batches)


@model()
def head_special(folder):
    """Functions of mathematics that scientific models use."""

    def serve(x):
        positive = tf.abs(x) + 0.1
        return {
            "digamma": tf.math.digamma(positive),
            "lgamma": tf.math.lgamma(positive),
            "beta": tf.math.lbeta(tf.stack([positive, positive + 1], -1)),
            "igamma": tf.math.igamma(positive, positive + 0.5),
            "erfinv": tf.math.erfinv(tf.tanh(x)),
            "ndtri": tf.math.ndtri(tf.sigmoid(x)),
            "bessel": tf.math.bessel_i0e(x),
            "expm1": tf.math.expm1(x),
            "log1p": tf.math.log1p(positive),
            "atan2": tf.math.atan2(x, positive),
            "xlogy": tf.math.xlogy(x, positive),
            "softplus": tf.math.softplus(x),
            "zeta": tf.math.zeta(positive + 1.5, positive),
            "polygamma": tf.math.polygamma(2.0, positive),
            "rounded": tf.round(x * 2.5),
            "floormod": tf.math.floormod(x, 0.7),
            "nextafter": tf.math.nextafter(tf.cast(x, tf.float64), 9.0),
            "inverse": tf.linalg.inv(tf.einsum("bi,bj->bij", x, x) + 3.0 * tf.eye(5)),
            "norm": tf.linalg.norm(x, axis=1),
            "clipped": tf.clip_by_norm(x, 1.5, axes=[1]),
            "entropy": tf.nn.sigmoid_cross_entropy_with_logits(tf.sigmoid(x), x),
        }

    batches = [(normal(n, 5),) for n in (1, 3)]
    return single(folder, serve, [spec("x", None, 5)], *batches)
