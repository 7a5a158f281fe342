from servable.pb import config_pb2 as _config_pb2
from servable.pb import inference_pb2 as _inference_pb2
from servable.pb import serving_pb2 as _serving_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
