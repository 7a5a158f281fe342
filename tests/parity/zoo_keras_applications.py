"""The architectures of `keras.applications`, without their trained weights."""

import keras
from exporting import shake
from zoo import Call, model, normal

A = keras.applications
BUILDERS = {
    "resnet50": (A.ResNet50, 64),
    "mobilenet_v2": (A.MobileNetV2, 64),
    "mobilenet_v3": (A.MobileNetV3Small, 64),
    "efficientnet_b0": (A.EfficientNetB0, 64),
    "densenet121": (A.DenseNet121, 64),
    "inception_v3": (A.InceptionV3, 96),
    "xception": (A.Xception, 96),
    "nasnet_mobile": (A.NASNetMobile, 64),
    "convnext_tiny": (A.ConvNeXtTiny, 64),
    "vgg16": (A.VGG16, 48),
}


@model(heavy=True, name="resnet50")
@model(heavy=True, name="mobilenet_v2")
@model(heavy=True, name="mobilenet_v3")
@model(heavy=True, name="efficientnet_b0")
@model(heavy=True, name="densenet121")
@model(heavy=True, name="inception_v3")
@model(heavy=True, name="xception")
@model(heavy=True, name="nasnet_mobile")
@model(heavy=True, name="convnext_tiny")
@model(heavy=True, name="vgg16")
def application(folder, name):
    build, size = BUILDERS[name]
    image = keras.Input((size, size, 3), name="image")
    net = build(weights=None, input_tensor=image, include_top=False, pooling="avg")
    head = keras.layers.Dense(100, "softmax")(net.output)
    whole = keras.Model(image, {"features": net.output, "classes": head})
    shake(whole)
    whole.export(folder, verbose=False)
    return [Call("serving_default", {"image": 64 * normal(rows, size, size, 3)}) for rows in (1, 3)]
