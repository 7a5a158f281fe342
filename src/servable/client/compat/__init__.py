"""Module names of `tensorflow-serving-api`, and the few things of TensorFlow that its clients use.

A client script ports by changing its imports:

    from servable.client.compat import predict_pb2, prediction_service_pb2_grpc
    from servable.client.compat import tf       # make_tensor_proto, make_ndarray, train, dtypes

The messages are those of this package, in a descriptor pool of their own: they never
collide with TensorFlow's in one process, and a message of one can not be put into a
message of the other, except as bytes.
"""
