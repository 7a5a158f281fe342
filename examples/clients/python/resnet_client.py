"""Ask an image classifier that takes the bytes of a JPEG what it sees, and how fast it says so.

With `tensorflow-serving-api` only the last import differs: `import tensorflow as tf`, and
`from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc`.

    python resnet_client.py --server=localhost:8500 --image=cat.jpg
"""

import time

import grpc

from servable.client.compat import predict_pb2, prediction_service_pb2_grpc, tf

tf.compat.v1.app.flags.DEFINE_string("server", "localhost:8500", "host:port of the gRPC API")
tf.compat.v1.app.flags.DEFINE_string("image", "", "JPEG file to classify")
tf.compat.v1.app.flags.DEFINE_string("model", "resnet", "name of the model")
tf.compat.v1.app.flags.DEFINE_integer("requests", 1, "how often to ask")
FLAGS = tf.compat.v1.app.flags.FLAGS


def main(_):
    with open(FLAGS.image, "rb") as file:
        jpeg = file.read()
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(FLAGS.server))
    request = predict_pb2.PredictRequest()
    request.model_spec.name = FLAGS.model
    request.model_spec.signature_name = "serving_default"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(jpeg, shape=[1]))
    milliseconds = []
    for _ in range(FLAGS.requests):
        started = time.perf_counter()
        answer = stub.Predict(request, 10.0)
        milliseconds.append(1000 * (time.perf_counter() - started))
    classes = tf.make_ndarray(answer.outputs["classes"])
    print(f"class {classes[0]}, {sum(milliseconds) / len(milliseconds):.1f} ms on average")


if __name__ == "__main__":
    tf.compat.v1.app.run()
