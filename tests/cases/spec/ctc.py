"""Decoders of connectionist temporal classification."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(17)


def _scores(time, batch, classes, dtype="f"):
    return (2 * rng.normal(size=(time, batch, classes))).astype(dtype)


def _greedy(scores, lengths, **attrs):
    return RAW.CTCGreedyDecoder(
        inputs=feed(scores, shape=None),
        sequence_length=feed(np.array(lengths, np.int32), shape=None),
        **attrs,
    )


_PLAIN = {"scores": _scores(6, 2, 3), "lengths": (6, 4)}
_STRANGE = np.full((3, 2, 3), np.nan, "f")
_STRANGE[:, 0, 1] = 1, -np.inf, np.inf
_STRANGE[:, 1, 0] = -np.inf, 2, 3
for _options in (
    {},
    {"merge_repeated": True},
    {"blank_index": 0},
    {"blank_index": -2, "merge_repeated": True},
    {"blank_index": 3},
    {"blank_index": -4},
    {"lengths": (6, 0)},
    {"lengths": (6, -1)},
    {"lengths": (0, 0)},
    {"lengths": (6, 7)},
    {"lengths": (6,)},
    {"lengths": ((6, 4),)},
    {"scores": _scores(6, 2, 3)[0]},
    {"scores": _scores(6, 0, 3), "lengths": ()},
    {"scores": _scores(6, 2, 1)},
    {"scores": np.zeros((6, 2, 3), "f")},
    {"scores": _STRANGE, "lengths": (3, 3)},
    {"scores": _scores(6, 2, 3, "d")},
):
    case("CTCGreedyDecoder", **(_PLAIN | _options))(_greedy)


def _beams(scores, lengths, beam_width=10, top_paths=1, **attrs):
    made = RAW.CTCBeamSearchDecoder(
        inputs=feed(scores, shape=None),
        sequence_length=feed(np.array(lengths, np.int32), shape=None),
        beam_width=beam_width,
        top_paths=top_paths,
        **attrs,
    )
    # The probabilities of doubles are no better than those of floats.
    return tf.nest.flatten(made)[: -1 if scores.dtype == np.float64 else None]


_PLAIN = {"scores": _scores(9, 2, 4), "lengths": (9, 7)}
# The same label again and again, with blanks between.
_REPEATED = _scores(8, 2, 3)
_REPEATED[::3, :, 0] += 5
_REPEATED[1::3, :, 2] += 5
_REPEATED[2::3, :, 0] += 5
for _options in (
    {},
    {"beam_width": 1},
    {"beam_width": 2, "top_paths": 2},
    {"beam_width": 5, "top_paths": 3},
    {"beam_width": 100, "top_paths": 10},
    {"scores": _REPEATED, "lengths": (8, 8)},
    {"scores": _REPEATED, "lengths": (8, 8), "merge_repeated": False},
    {"scores": _REPEATED, "lengths": (8, 8), "merge_repeated": False, "top_paths": 3},
    {"scores": _REPEATED, "lengths": (8, 8), "top_paths": 3},
    {"beam_width": 2, "top_paths": 3},
    {"lengths": (9, 0)},
    {"lengths": (9, 0), "top_paths": 2},
    {"lengths": (9, 10)},
    {"lengths": (9,)},
    {"scores": _scores(9, 2, 1)},
    {"scores": _scores(3, 2, 30), "lengths": (3, 2), "beam_width": 20, "top_paths": 5},
    {"scores": _scores(9, 2, 4, "d"), "beam_width": 4, "top_paths": 2},
):
    case("CTCBeamSearchDecoder", **(_PLAIN | _options))(_beams)
