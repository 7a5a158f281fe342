"""TensorProto as bytes, without a message object between them and the array."""
