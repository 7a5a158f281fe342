"""Images: resizing, sampling, colours, boxes."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(11)
IMAGES = rng.normal(size=(2, 4, 5, 2)).astype(np.float32)
WIDE = rng.normal(size=(1, 9, 3, 3)).astype(np.float32)
SMALL = rng.normal(size=(1, 3, 4, 1)).astype(np.float32) * 40
SIZES = ((4, 5), (8, 10), (3, 2), (7, 3), (1, 1))
CORNERS = ((False, False), (True, False), (False, True))
DTYPES = (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, np.float16, np.float64)


def _free(values, dtype=np.int32):
    """A feed of which the graph knows no shape, so that only the kernel can refuse it."""
    return feed(np.array(values, dtype), shape=None)


def _resize(name, images, size, aligned=False, halves=False):
    return getattr(RAW, name)(
        images=feed(images),
        size=tf.constant(size, tf.int32),
        align_corners=aligned,
        half_pixel_centers=halves,
    )


def _resize_fed(name, images, size, aligned=False, halves=False):
    return getattr(RAW, name)(
        images=feed(images),
        size=feed(size, np.int32),
        align_corners=aligned,
        half_pixel_centers=halves,
    )


def _refused(name, images, size, aligned=False, halves=False):
    return getattr(RAW, name)(
        images=_free(images, np.float32),
        size=_free(size),
        align_corners=aligned,
        half_pixel_centers=halves,
    )


for _op, _tolerance in (
    ("ResizeBilinear", 1e-6),
    ("ResizeNearestNeighbor", 0),
    ("ResizeBicubic", 2e-6),
):
    for _aligned, _halves in CORNERS:
        _how = {"name": _op, "aligned": _aligned, "halves": _halves}
        for _size in SIZES:
            case(_op, tolerance=_tolerance, images=IMAGES, size=_size, **_how)(_resize)
        case(_op, tolerance=_tolerance, images=WIDE, size=(4, 7), **_how)(_resize)
        case(_op, tolerance=_tolerance, images=SMALL[:, :1, :1], size=(3, 4), **_how)(_resize)
        case(_op, tolerance=_tolerance, images=IMAGES, size=(9, 4), **_how)(_resize_fed)
    for _dtype in DTYPES:
        _values = np.abs(SMALL).astype(_dtype)
        case(_op, tolerance=_tolerance, name=_op, images=_values, size=(5, 3), halves=True)(_resize)
    case(_op, name=_op, images=IMAGES, size=(3, 4), aligned=True, halves=True)(_refused)
    case(_op, name=_op, images=IMAGES, size=(0, 4))(_refused)
    case(_op, name=_op, images=IMAGES, size=(3, -4))(_refused)
    case(_op, name=_op, images=IMAGES, size=(3, 4, 5))(_refused)
    case(_op, name=_op, images=IMAGES, size=3)(_refused)
    case(_op, name=_op, images=IMAGES[0], size=(3, 4))(_refused)
    case(_op, name=_op, images=IMAGES[:, :0], size=(3, 4))(_refused)
    case(_op, name=_op, images=IMAGES[..., :0], size=(3, 4))(_refused)
    case(_op, name=_op, images=IMAGES[:0], size=(3, 4))(_refused)


def _area(images, size, aligned=False):
    return RAW.ResizeArea(images=feed(images), size=feed(size, np.int32), align_corners=aligned)


for _aligned in (False, True):
    for _size in SIZES:
        for _images in (IMAGES[:1], WIDE, SMALL[:, :1, :1]):
            case("ResizeArea", tolerance=3e-6, images=_images, size=_size, aligned=_aligned)(_area)
for _dtype in DTYPES:
    case("ResizeArea", tolerance=3e-6, images=np.abs(SMALL).astype(_dtype), size=(2, 3))(_area)


@case("ResizeArea", images=IMAGES, size=(0, 4))
@case("ResizeArea", images=IMAGES[0], size=(3, 4))
@case("ResizeArea", images=IMAGES[:, :0], size=(3, 4))
@case("ResizeArea", images=IMAGES, size=(3,))
def area_refused(images, size):
    return RAW.ResizeArea(images=_free(images, np.float32), size=_free(size))


KERNELS = (
    "lanczos1",
    "lanczos3",
    "lanczos5",
    "gaussian",
    "box",
    "triangle",
    "keyscubic",
    "mitchellcubic",
)


def _scale(images, size, scale, translation, kernel="lanczos3", antialias=True):
    return RAW.ScaleAndTranslate(
        images=feed(images),
        size=feed(size, np.int32),
        scale=feed(scale, np.float32),
        translation=feed(translation, np.float32),
        kernel_type=kernel,
        antialias=antialias,
    )


for _kernel in KERNELS:
    for _antialias in (True, False):
        for _arguments in (
            {"size": (7, 3), "scale": (1.8, 0.571), "translation": (0, 0)},
            {"size": (4, 4), "scale": (0.5, 0.4), "translation": (1.5, -0.25)},
        ):
            case(
                "ScaleAndTranslate",
                images=IMAGES[:1, ..., :1],
                kernel=_kernel,
                antialias=_antialias,
                **_arguments,
            )(_scale)
for _dtype in DTYPES:
    case(
        "ScaleAndTranslate",
        images=np.abs(SMALL).astype(_dtype),
        size=(2, 3),
        scale=(0.8, 0.6),
        translation=(0, 0),
    )(_scale)


@case("ScaleAndTranslate", size=(30, 2), scale=(1, 1), translation=(9, 0))
@case("ScaleAndTranslate", size=(3, 2), scale=(1, 1), translation=(100, 0))
@case("ScaleAndTranslate", size=(3, 2), scale=(0.01, 1), translation=(0, 0))
@case("ScaleAndTranslate", size=(3, 2), scale=(0, 1), translation=(0, 0))
@case("ScaleAndTranslate", size=(3, 2), scale=(1, -1), translation=(0, 0))
@case("ScaleAndTranslate", size=(0, 2), scale=(1, 1), translation=(0, 0))
@case("ScaleAndTranslate", size=(3,), scale=(1, 1), translation=(0, 0))
@case("ScaleAndTranslate", size=(3, 2), scale=(1,), translation=(0, 0))
@case("ScaleAndTranslate", size=(3, 2), scale=(1, 1), translation=((0, 0),))
@case("ScaleAndTranslate", images=IMAGES[0], size=(3, 2), scale=(1, 1), translation=(0, 0))
@case("ScaleAndTranslate", images=IMAGES[:0], size=(3, 2), scale=(1, 1), translation=(0, 0))
@case("ScaleAndTranslate", images=IMAGES[:, :0], size=(3, 2), scale=(1, 1), translation=(0, 0))
@case("ScaleAndTranslate", images=IMAGES[..., :0], size=(3, 2), scale=(1, 1), translation=(0, 0))
def scale_edges(size, scale, translation, images=IMAGES[:1]):
    return RAW.ScaleAndTranslate(
        images=_free(images, np.float32),
        size=_free(size),
        scale=_free(scale, np.float32),
        translation=_free(translation, np.float32),
    )


CROPS = np.array(
    [[0, 0, 1, 1], [0.2, 0.3, 0.7, 0.9], [0.9, 0.8, 0.1, 0.2], [-0.4, 0.5, 0.6, 1.7], [3, 3, 4, 4]],
    np.float32,
)
NUMBERS = np.array([0, 1, 1, 0, 1], np.int32)


def _crop(images, boxes=CROPS, numbers=NUMBERS, size=(3, 4), method="bilinear", beyond=0.0):
    return RAW.CropAndResize(
        image=feed(images, shape=None),
        boxes=feed(boxes, shape=None),
        box_ind=feed(numbers, shape=None),
        crop_size=_free(size),
        method=method,
        extrapolation_value=beyond,
    )


for _method in ("bilinear", "nearest"):
    for _size in ((3, 4), (1, 1), (1, 5), (6, 1)):
        case("CropAndResize", images=IMAGES, size=_size, method=_method)(_crop)
    case("CropAndResize", images=IMAGES, method=_method, beyond=-7.5)(_crop)
    for _dtype in DTYPES:
        _values = np.tile(np.abs(SMALL), (2, 1, 1, 1)).astype(_dtype)
        case("CropAndResize", images=_values, size=(2, 3), method=_method)(_crop)
case("CropAndResize", images=IMAGES, boxes=CROPS[:0], numbers=NUMBERS[:0])(_crop)
case("CropAndResize", images=IMAGES[..., :0])(_crop)
case("CropAndResize", images=IMAGES, numbers=NUMBERS + 1)(_crop)
case("CropAndResize", images=IMAGES, numbers=-NUMBERS)(_crop)
case("CropAndResize", images=IMAGES, numbers=NUMBERS[:2])(_crop)
case("CropAndResize", images=IMAGES, numbers=NUMBERS[None])(_crop)
case("CropAndResize", images=IMAGES, boxes=CROPS[:, :3])(_crop)
case("CropAndResize", images=IMAGES, boxes=CROPS[0])(_crop)
case("CropAndResize", images=IMAGES, boxes=CROPS * np.float32(np.nan))(_crop)
case("CropAndResize", images=IMAGES, size=(0, 3))(_crop)
case("CropAndResize", images=IMAGES, size=(3,))(_crop)
case("CropAndResize", images=IMAGES, size=3)(_crop)
case("CropAndResize", images=IMAGES[0])(_crop)
case("CropAndResize", images=IMAGES[:, :0])(_crop)

TRANSFORMS = np.array(
    [
        [1, 0, 0, 0, 1, 0, 0, 0],
        [0.8, 0.6, -1.5, -0.6, 0.8, 2.25, 0, 0],
        [2, 0.1, -9, 0.2, 1.7, -4, 0.01, 0.02],
        [1, 0, 25.5, 0, 1, -31.25, 0, 0],
        [1, 0, 0, 0, 1, 0, -0.5, 0],
    ],
    np.float32,
)
PICTURES = rng.normal(size=(5, 4, 5, 1)).astype(np.float32)


def _project(images=PICTURES, transforms=TRANSFORMS, size=(5, 6), **attrs):
    return RAW.ImageProjectiveTransformV2(
        images=feed(images, shape=None),
        transforms=feed(transforms, shape=None),
        output_shape=_free(size),
        **{"interpolation": "BILINEAR", **attrs},
    )


def _project_v3(images=PICTURES, transforms=TRANSFORMS, size=(5, 6), fill=0.0, **attrs):
    return RAW.ImageProjectiveTransformV3(
        images=feed(images, shape=None),
        transforms=feed(transforms, shape=None),
        output_shape=_free(size),
        fill_value=_free(fill, np.float32),
        **{"interpolation": "BILINEAR", **attrs},
    )


for _interpolation in ("NEAREST", "BILINEAR"):
    for _mode in ("CONSTANT", "REFLECT", "WRAP", "NEAREST"):
        case("ImageProjectiveTransformV2", interpolation=_interpolation, fill_mode=_mode)(_project)
        case("ImageProjectiveTransformV3", interpolation=_interpolation, fill_mode=_mode, fill=2.5)(
            _project_v3
        )
        case(
            "ImageProjectiveTransformV2",
            images=PICTURES[:, :1, :1],
            interpolation=_interpolation,
            fill_mode=_mode,
        )(_project)
    for _dtype in (np.uint8, np.int32, np.int64, np.float16, np.float64):
        case(
            "ImageProjectiveTransformV3",
            images=np.abs(PICTURES * 40).astype(_dtype),
            interpolation=_interpolation,
            fill=3.75,
        )(_project_v3)
case("ImageProjectiveTransformV2", transforms=TRANSFORMS[1:2])(_project)
case("ImageProjectiveTransformV2", transforms=TRANSFORMS[:3])(_project)
case("ImageProjectiveTransformV2", transforms=TRANSFORMS[:, :7])(_project)
case("ImageProjectiveTransformV2", transforms=TRANSFORMS[0])(_project)
case("ImageProjectiveTransformV2", size=(0, 3))(_project)
case("ImageProjectiveTransformV2", size=(3,))(_project)
case("ImageProjectiveTransformV2", images=IMAGES[0])(_project)
case("ImageProjectiveTransformV3", fill=[1.0])(_project_v3)

COUNTED = np.arange(1, 2 * 6 * 5 * 1 + 1, dtype=np.float32).reshape(2, 6, 5, 1)


def _glimpse(name, size=(3, 4), offsets=((0, 0), (0, 0)), images=COUNTED, **attrs):
    return getattr(RAW, name)(
        input=feed(images, shape=None),
        size=_free(size),
        offsets=_free(offsets, np.float32),
        **{"uniform_noise": False, "noise": "zero", **attrs},
    )


for _op in ("ExtractGlimpse", "ExtractGlimpseV2"):
    for _normalized in (True, False):
        _places = (
            (((0, 0), (0.3, -0.2)), ((0.5, 0.5), (-0.49, 0.9)), ((2, -3), (1, -1)))
            if _normalized
            else (((0, 0), (2.6, 1.4)), ((-1.2, 3), (5, 6)), ((40, 2), (-0.7, -30)))
        )
        for _centered in (True, False):
            for _offsets in _places:
                for _size in ((3, 4), (9, 2)) if _centered else ((3, 4),):
                    case(
                        _op,
                        tolerance=0,
                        name=_op,
                        size=_size,
                        offsets=_offsets,
                        normalized=_normalized,
                        centered=_centered,
                    )(_glimpse)
    for _noise, _uniform in (
        ("uniform", True),
        ("uniform", False),
        ("gaussian", False),
        ("", True),
        ("", False),
    ):
        # Wholly inside, where noise does not show.
        case(_op, tolerance=0, name=_op, noise=_noise, uniform_noise=_uniform)(_glimpse)
    case(_op, tolerance=0, name=_op, size=(0, 3))(_glimpse)
    case(_op, name=_op, size=(-1, 3))(_glimpse)
    case(_op, name=_op, size=(3,))(_glimpse)
    case(_op, name=_op, offsets=((0, 0),))(_glimpse)
    case(_op, name=_op, offsets=((0,), (0,)))(_glimpse)
    case(_op, name=_op, offsets=(0, 0))(_glimpse)
    case(_op, name=_op, images=COUNTED[0])(_glimpse)

COLORS = np.concatenate(
    [
        rng.uniform(size=(4, 5, 3)),
        np.array([[[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]]),
        np.array([[[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.2, 0.2, 0.2], [0, 0, 0.1]]]),
        rng.normal(size=(2, 5, 3)),
    ]
).astype(np.float32)


def _colors(name, x):
    return getattr(RAW, name)(images=feed(x, shape=None))


for _op in ("RGBToHSV", "HSVToRGB"):
    case(_op, name=_op, x=COLORS)(_colors)
    case(_op, name=_op, x=COLORS.astype(np.float64))(_colors)
    case(_op, tolerance=5e-3, name=_op, x=COLORS[:6].astype(np.float16))(_colors)
    case(_op, tolerance=4e-2, name=_op, x=tf.constant(COLORS[:6], tf.bfloat16).numpy())(_colors)
    case(_op, name=_op, x=COLORS[0, 0])(_colors)
    case(_op, name=_op, x=COLORS[:0])(_colors)
    case(_op, name=_op, x=COLORS[..., :2])(_colors)
    case(_op, name=_op, x=np.float32(1))(_colors)


@case("AdjustHue", delta=0.3)
@case("AdjustHue", delta=-0.7)
@case("AdjustHue", delta=0.0)
@case("AdjustHue", delta=12.25)
@case("AdjustHue", x=COLORS[None], delta=0.5)
@case("AdjustHue", x=COLORS[:0], delta=0.5)
@case("AdjustHue", x=COLORS[0], delta=0.5)
@case("AdjustHue", x=COLORS[..., :2], delta=0.5)
@case("AdjustHue", delta=[0.5])
def adjust_hue(delta, x=COLORS):
    return RAW.AdjustHue(images=feed(x, shape=None), delta=_free(delta, np.float32))


@case("AdjustSaturation", scale=0.4)
@case("AdjustSaturation", scale=1.7)
@case("AdjustSaturation", scale=0.0)
@case("AdjustSaturation", scale=-1.0)
@case("AdjustSaturation", x=COLORS[None], scale=0.5)
@case("AdjustSaturation", x=COLORS[:0], scale=0.5)
@case("AdjustSaturation", x=COLORS[0], scale=0.5)
@case("AdjustSaturation", x=COLORS[..., :2], scale=0.5)
@case("AdjustSaturation", scale=[0.5])
def adjust_saturation(scale, x=COLORS):
    return RAW.AdjustSaturation(images=feed(x, shape=None), scale=_free(scale, np.float32))


@case("AdjustContrastv2", factor=0.4)
@case("AdjustContrastv2", factor=-2.5)
@case("AdjustContrastv2", factor=0.0)
@case("AdjustContrastv2", x=IMAGES, factor=1.5)
@case("AdjustContrastv2", x=np.stack([WIDE, WIDE + 3]), factor=1.5)
@case("AdjustContrastv2", x=IMAGES[:, :0], factor=1.5)
@case("AdjustContrastv2", x=COLORS[0], factor=1.5)
@case("AdjustContrastv2", factor=[0.5])
def adjust_contrast(factor, x=COLORS):
    return RAW.AdjustContrastv2(
        images=feed(x, shape=None), contrast_factor=_free(factor, np.float32)
    )


CANVAS = rng.uniform(size=(2, 6, 7, 3)).astype(np.float32)
FRAMES = np.array(
    [
        [[0.1, 0.2, 0.7, 0.6], [0.5, 0.5, 0.95, 0.9], [-0.5, -0.2, 0.5, 0.4]],
        [[0.4, 0.3, 1.9, 2.0], [0.9, 0.9, 0.1, 0.1], [2.0, 0.0, 3.0, 1.0]],
    ],
    np.float32,
)


@case("DrawBoundingBoxes")
@case("DrawBoundingBoxes", images=CANVAS[..., :1])
@case("DrawBoundingBoxes", images=np.concatenate([CANVAS, CANVAS[..., :1]], -1))
@case("DrawBoundingBoxes", images=CANVAS.astype(np.float16))
@case("DrawBoundingBoxes", boxes=np.tile(FRAMES[:1, :1], (2, 13, 1)) * np.arange(13)[:, None] / 9)
@case("DrawBoundingBoxes", boxes=FRAMES[:, :0])
@case("DrawBoundingBoxes", images=CANVAS[..., :2])
@case("DrawBoundingBoxes", images=CANVAS[:1])
@case("DrawBoundingBoxes", images=CANVAS[0])
@case("DrawBoundingBoxes", boxes=FRAMES[0])
@case("DrawBoundingBoxes", boxes=FRAMES[..., :3])
def draw(images=CANVAS, boxes=FRAMES):
    return RAW.DrawBoundingBoxes(images=feed(images, shape=None), boxes=_free(boxes, np.float32))


@case("DrawBoundingBoxesV2", colors=[[1, 0.5, 0.25, 1], [0, 0.1, 0.2, 0.3]])
@case("DrawBoundingBoxesV2", colors=[[7, 8, 9]])
@case("DrawBoundingBoxesV2", colors=np.zeros((0, 3)))
@case("DrawBoundingBoxesV2", colors=[[7, 8]])
@case("DrawBoundingBoxesV2", colors=[7, 8, 9])
def draw_v2(colors):
    return RAW.DrawBoundingBoxesV2(
        images=feed(CANVAS), boxes=feed(FRAMES), colors=_free(colors, np.float32)
    )


_corner = rng.uniform(size=(40, 2))
BOXES = np.concatenate([_corner, _corner + rng.uniform(0.1, 0.4, size=(40, 2))], 1).astype(
    np.float32
)
BOXES[5], BOXES[9] = BOXES[5, [2, 3, 0, 1]], BOXES[9, [0, 1, 0, 3]]
SCORES = np.round(rng.uniform(size=40), 2).astype(np.float32)
SCORES[[3, 11]] = SCORES[20]


def _options(boxes, scores, most, overlap=None, least=None, sigma=None, dtype=np.float32):
    given = {
        "boxes": feed(boxes, shape=None),
        "scores": feed(scores, shape=None),
        "max_output_size": _free(most),
    }
    if overlap is not None:
        given["iou_threshold"] = _free(overlap, dtype)
    if least is not None:
        given["score_threshold"] = _free(least, dtype)
    if sigma is not None:
        given["soft_nms_sigma"] = _free(sigma, dtype)
    return given


@case("NonMaxSuppression", most=10)
@case("NonMaxSuppression", most=100, threshold=0.1)
@case("NonMaxSuppression", most=100, threshold=0.0)
@case("NonMaxSuppression", most=100, threshold=1.0)
@case("NonMaxSuppression", most=0)
@case("NonMaxSuppression", most=-1)
@case("NonMaxSuppression", most=3, threshold=1.5)
@case("NonMaxSuppression", most=[3])
@case("NonMaxSuppression", most=3, boxes=BOXES[:0], scores=SCORES[:0])
@case("NonMaxSuppression", most=3, boxes=BOXES[:, :3])
@case("NonMaxSuppression", most=3, boxes=BOXES[0])
@case("NonMaxSuppression", most=3, scores=SCORES[:3])
@case("NonMaxSuppression", most=3, scores=SCORES[None])
@case("NonMaxSuppression", most=9, scores=np.where(SCORES < 0.3, np.nan, SCORES))
def nms(most, threshold=0.5, boxes=BOXES, scores=SCORES):
    return RAW.NonMaxSuppression(**_options(boxes, scores, most), iou_threshold=threshold)


@case("NonMaxSuppressionV2", most=10, overlap=0.5)
@case("NonMaxSuppressionV2", most=40, overlap=0.2)
@case("NonMaxSuppressionV2", most=40, overlap=0.2, dtype=np.float16)
@case("NonMaxSuppressionV2", most=40, overlap=[0.2])
@case("NonMaxSuppressionV2", most=40, overlap=-0.2)
def nms_v2(most, overlap, dtype=np.float32):
    return RAW.NonMaxSuppressionV2(
        **_options(BOXES.astype(dtype), SCORES.astype(dtype), most, overlap, dtype=dtype)
    )


@case("NonMaxSuppressionV2")
def nms_v2_other_threshold():
    given = _options(BOXES.astype(np.float16), SCORES.astype(np.float16), 40)
    return RAW.NonMaxSuppressionV2(**given, iou_threshold=feed(np.float32(0.3)))


@case("NonMaxSuppressionV3", most=10, overlap=0.5, least=0.5)
@case("NonMaxSuppressionV3", most=40, overlap=0.2, least=0.1)
@case("NonMaxSuppressionV3", most=40, overlap=0.2, least=0.1, dtype=np.float16)
@case("NonMaxSuppressionV3", most=40, overlap=0.2, least=[0.1])
@case("NonMaxSuppressionV3", most=40, overlap=0.2, least=np.inf)
@case("NonMaxSuppressionV3", most=40, overlap=0.2, least=-np.inf)
def nms_v3(most, overlap, least, dtype=np.float32):
    return RAW.NonMaxSuppressionV3(
        **_options(BOXES.astype(dtype), SCORES.astype(dtype), most, overlap, least, dtype=dtype)
    )


@case("NonMaxSuppressionV4", most=10, overlap=0.5, least=0.5)
@case("NonMaxSuppressionV4", most=50, overlap=0.2, least=0.1)
@case("NonMaxSuppressionV4", most=50, overlap=0.2, least=0.1, pad=True)
@case("NonMaxSuppressionV4", most=50, overlap=0.2, least=0.1, pad=True, dtype=np.float16)
@case("NonMaxSuppressionV4", most=-5, overlap=0.2, least=0.1, pad=True)
def nms_v4(most, overlap, least, pad=False, dtype=np.float32):
    given = _options(BOXES.astype(dtype), SCORES.astype(dtype), most, overlap, least, dtype=dtype)
    return list(RAW.NonMaxSuppressionV4(**given, pad_to_max_output_size=pad))


@case("NonMaxSuppressionV5", most=10, overlap=0.5, least=0.5, sigma=0.0)
@case("NonMaxSuppressionV5", most=50, overlap=0.5, least=0.1, sigma=0.5)
@case("NonMaxSuppressionV5", most=50, overlap=0.5, least=0.1, sigma=0.05)
@case("NonMaxSuppressionV5", most=50, overlap=0.5, least=0.1, sigma=0.5, pad=True)
@case("NonMaxSuppressionV5", most=7, overlap=0.5, least=-np.inf, sigma=2.0)
@case("NonMaxSuppressionV5", most=50, overlap=0.5, least=0.1, sigma=0.5, dtype=np.float16)
@case("NonMaxSuppressionV5", most=50, overlap=0.2, least=0.1, sigma=0.0, dtype=np.float16)
@case("NonMaxSuppressionV5", most=50, overlap=0.2, least=0.1, sigma=-1.0)
@case("NonMaxSuppressionV5", most=50, overlap=0.2, least=0.1, sigma=[1.0])
@case("NonMaxSuppressionV5", most=-1, overlap=0.2, least=0.1, sigma=1.0)
def nms_v5(most, overlap, least, sigma, pad=False, dtype=np.float32):
    given = _options(
        BOXES.astype(dtype), SCORES.astype(dtype), most, overlap, least, sigma, dtype=dtype
    )
    return list(RAW.NonMaxSuppressionV5(**given, pad_to_max_output_size=pad))


OVERLAPS = rng.uniform(size=(15, 15)).astype(np.float32)


@case("NonMaxSuppressionWithOverlaps", most=10, overlap=0.5, least=0.2)
@case("NonMaxSuppressionWithOverlaps", most=40, overlap=0.9, least=0.4)
@case("NonMaxSuppressionWithOverlaps", most=40, overlap=5.0, least=0.4)
@case("NonMaxSuppressionWithOverlaps", most=40, overlap=0.5, least=0.4, overlaps=OVERLAPS[:3])
@case("NonMaxSuppressionWithOverlaps", most=40, overlap=0.5, least=0.4, overlaps=OVERLAPS[0])
@case("NonMaxSuppressionWithOverlaps", most=[4], overlap=0.5, least=0.4)
def nms_overlaps(most, overlap, least, overlaps=OVERLAPS):
    return RAW.NonMaxSuppressionWithOverlaps(
        overlaps=feed(overlaps, shape=None),
        scores=feed(SCORES[:15]),
        max_output_size=_free(most),
        overlap_threshold=_free(overlap, np.float32),
        score_threshold=_free(least, np.float32),
    )


BATCH = np.stack([BOXES[:12], BOXES[20:32] * 1.3 - 0.2])[:, :, None]
BY_CLASS = np.concatenate([BATCH, BATCH[::-1], BATCH * 0.5], 2)
CLASS_SCORES = rng.uniform(size=(2, 12, 3)).astype(np.float32)


@case("CombinedNonMaxSuppression")
@case("CombinedNonMaxSuppression", boxes=BY_CLASS)
@case("CombinedNonMaxSuppression", boxes=BY_CLASS, by_class=True)
@case("CombinedNonMaxSuppression", by_class=True, each=4)
@case("CombinedNonMaxSuppression", each=4)
@case("CombinedNonMaxSuppression", clip=False)
@case("CombinedNonMaxSuppression", total=40)
@case("CombinedNonMaxSuppression", total=40, by_class=True, each=3)
@case("CombinedNonMaxSuppression", overlap=0.0, least=0.9)
@case("CombinedNonMaxSuppression", least=2.0)
@case("CombinedNonMaxSuppression", boxes=BATCH[:0], scores=CLASS_SCORES[:0])
@case("CombinedNonMaxSuppression", boxes=BATCH[:, :0], scores=CLASS_SCORES[:, :0])
@case("CombinedNonMaxSuppression", scores=CLASS_SCORES[..., :1])
@case("CombinedNonMaxSuppression", overlap=1.5)
@case("CombinedNonMaxSuppression", each=0)
@case("CombinedNonMaxSuppression", total=0)
@case("CombinedNonMaxSuppression", total=[5])
@case("CombinedNonMaxSuppression", boxes=BY_CLASS[:, :, :2])
@case("CombinedNonMaxSuppression", boxes=BATCH[..., :3])
@case("CombinedNonMaxSuppression", boxes=BATCH[:, :, 0])
@case("CombinedNonMaxSuppression", scores=CLASS_SCORES[0])
@case("CombinedNonMaxSuppression", scores=CLASS_SCORES[:1])
@case("CombinedNonMaxSuppression", scores=CLASS_SCORES[:, :3])
def combined(
    boxes=BATCH,
    scores=CLASS_SCORES,
    each=10,
    total=12,
    overlap=0.4,
    least=0.1,
    by_class=False,
    clip=True,
):
    return list(
        RAW.CombinedNonMaxSuppression(
            boxes=_free(boxes, np.float32),
            scores=feed(scores, shape=None),
            max_output_size_per_class=_free(each),
            max_total_size=_free(total),
            iou_threshold=_free(overlap, np.float32),
            score_threshold=_free(least, np.float32),
            pad_per_class=by_class,
            clip_boxes=clip,
        )
    )
