from servable.pb import inference_pb2 as _inference_pb2
from servable.pb import serving_pb2 as _serving_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RawExamples(_message.Message):
    __slots__ = ("examples", "context")
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    examples: _containers.RepeatedScalarFieldContainer[bytes]
    context: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, examples: _Optional[_Iterable[bytes]] = ..., context: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RawInput(_message.Message):
    __slots__ = ("example_list", "example_list_with_context")
    EXAMPLE_LIST_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_LIST_WITH_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    example_list: RawExamples
    example_list_with_context: RawExamples
    def __init__(self, example_list: _Optional[_Union[RawExamples, _Mapping]] = ..., example_list_with_context: _Optional[_Union[RawExamples, _Mapping]] = ...) -> None: ...

class RawInferenceRequest(_message.Message):
    __slots__ = ("model_spec", "input")
    MODEL_SPEC_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    model_spec: _serving_pb2.ModelSpec
    input: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, model_spec: _Optional[_Union[_serving_pb2.ModelSpec, _Mapping]] = ..., input: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RawMultiInferenceRequest(_message.Message):
    __slots__ = ("tasks", "input")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_inference_pb2.InferenceTask]
    input: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, tasks: _Optional[_Iterable[_Union[_inference_pb2.InferenceTask, _Mapping]]] = ..., input: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RawClass(_message.Message):
    __slots__ = ("label", "score")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    label: bytes
    score: float
    def __init__(self, label: _Optional[bytes] = ..., score: _Optional[float] = ...) -> None: ...

class RawClassifications(_message.Message):
    __slots__ = ("classes",)
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    classes: _containers.RepeatedCompositeFieldContainer[RawClass]
    def __init__(self, classes: _Optional[_Iterable[_Union[RawClass, _Mapping]]] = ...) -> None: ...

class RawClassificationResult(_message.Message):
    __slots__ = ("classifications",)
    CLASSIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    classifications: _containers.RepeatedCompositeFieldContainer[RawClassifications]
    def __init__(self, classifications: _Optional[_Iterable[_Union[RawClassifications, _Mapping]]] = ...) -> None: ...

class RawClassificationResponse(_message.Message):
    __slots__ = ("result", "model_spec")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    MODEL_SPEC_FIELD_NUMBER: _ClassVar[int]
    result: RawClassificationResult
    model_spec: _serving_pb2.ModelSpec
    def __init__(self, result: _Optional[_Union[RawClassificationResult, _Mapping]] = ..., model_spec: _Optional[_Union[_serving_pb2.ModelSpec, _Mapping]] = ...) -> None: ...

class RawInferenceResult(_message.Message):
    __slots__ = ("model_spec", "classification_result", "regression_result")
    MODEL_SPEC_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_RESULT_FIELD_NUMBER: _ClassVar[int]
    REGRESSION_RESULT_FIELD_NUMBER: _ClassVar[int]
    model_spec: _serving_pb2.ModelSpec
    classification_result: RawClassificationResult
    regression_result: _inference_pb2.RegressionResult
    def __init__(self, model_spec: _Optional[_Union[_serving_pb2.ModelSpec, _Mapping]] = ..., classification_result: _Optional[_Union[RawClassificationResult, _Mapping]] = ..., regression_result: _Optional[_Union[_inference_pb2.RegressionResult, _Mapping]] = ...) -> None: ...

class RawMultiInferenceResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RawInferenceResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RawInferenceResult, _Mapping]]] = ...) -> None: ...
