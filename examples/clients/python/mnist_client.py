"""Send handwritten digits to a model and count how many it gets wrong.

The way clients of TensorFlow Serving are written: stubs, messages and futures. With
`tensorflow-serving-api` only the last import differs: `import tensorflow as tf`, and
`from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc`.

    python mnist_client.py --server=localhost:8500 --data=digits.npz --concurrency=4

The file holds `images`, float [n, height, width] or [n, pixels], and `labels`, integers [n].
"""

import threading

import grpc
import numpy as np

from servable.client.compat import predict_pb2, prediction_service_pb2_grpc, tf

tf.compat.v1.app.flags.DEFINE_string("server", "localhost:8500", "host:port of the gRPC API")
tf.compat.v1.app.flags.DEFINE_string("data", "", "npz file with images and labels")
tf.compat.v1.app.flags.DEFINE_string("model", "mnist", "name of the model")
tf.compat.v1.app.flags.DEFINE_string("signature", "predict_images", "signature to run")
tf.compat.v1.app.flags.DEFINE_integer("num_tests", 100, "images to send at most")
tf.compat.v1.app.flags.DEFINE_integer("concurrency", 1, "requests that are under way at once")
FLAGS = tf.compat.v1.app.flags.FLAGS


class Tally:
    """Counts answers as they come in, from threads of gRPC's."""

    def __init__(self, at_once):
        self.wrong = 0
        self.failed = 0
        self._lock = threading.Lock()
        self._room = threading.Semaphore(at_once)
        self._finished = threading.Semaphore(0)

    def before_sending(self):
        self._room.acquire()

    def wait_for(self, count):
        for _ in range(count):
            self._finished.acquire()

    def receiver(self, label):
        def received(call):
            error = call.exception()
            with self._lock:
                if error is not None:
                    self.failed += 1
                    print(f"{error.code().name}: {error.details()}")
                else:
                    scores = np.array(call.result().outputs["scores"].float_val)
                    self.wrong += int(scores.argmax() != label)
            self._room.release()
            self._finished.release()

        return received


def main(_):
    if not FLAGS.data:
        print("say --data=FILE.npz")
        return 2
    with np.load(FLAGS.data) as data:
        images = data["images"][: FLAGS.num_tests].astype(np.float32)
        labels = data["labels"][: FLAGS.num_tests]
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(FLAGS.server))
    tally = Tally(FLAGS.concurrency)
    for image, label in zip(images, labels, strict=True):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = FLAGS.model
        request.model_spec.signature_name = FLAGS.signature
        request.inputs["images"].CopyFrom(tf.make_tensor_proto(image, shape=[1, image.size]))
        tally.before_sending()
        stub.Predict.future(request, 5.0).add_done_callback(tally.receiver(label))
    tally.wait_for(len(images))
    print(f"error rate: {tally.wrong / len(images):.1%} of {len(images)}")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    tf.compat.v1.app.run()
