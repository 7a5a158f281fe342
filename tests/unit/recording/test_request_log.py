"""Request logs: what is chosen, what a record says, and what happens when it can not be written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from lifecycle_stage import FakeClock
from served_models import FakeModels, half_plus_two

from servable import tensor_proto
from servable.config.request_logs import LoggingConfig
from servable.errors import Code, FailedPrecondition, InvalidArgument
from servable.metrics.monitor import Metrics
from servable.pb import inference_pb2, logs_pb2, serving_pb2
from servable.recording import tfrecord
from servable.recording.collector import Collector, Exchange
from servable.recording.prediction_log import Kind, parse
from servable.recording.request_log import RequestLog, RequestLogs
from servable.recording.rotation import RotatingFiles

Outcome = tuple[str, Code]


def predict_request(x: float = 1.0, label: str = "") -> bytes:
    request = serving_pb2.PredictRequest()
    request.model_spec.name = "m"
    if label:
        request.model_spec.version_label = label
    request.inputs["x"].CopyFrom(tensor_proto.encode(np.array([x], np.float32)))
    return request.SerializeToString()


def records(folder: Path) -> list[logs_pb2.PredictionLog]:
    return [parse(data) for path in sorted(folder.iterdir()) for data in tfrecord.read(path)]


@pytest.fixture
def outcomes() -> list[Outcome]:
    return []


Make = Callable[[LoggingConfig], RequestLog]


@pytest.fixture
def make(outcomes: list[Outcome]) -> Make:
    clock = FakeClock()
    clock.now = 1234.5
    numbers = iter([0.0, 0.24, 0.25, 0.999])

    def log(config: LoggingConfig) -> RequestLog:
        return RequestLog(
            config,
            lambda model, code: outcomes.append((model, code)),
            tags=("serve",),
            clock=clock,
            random_number=lambda: next(numbers),
        )

    return log


@pytest.mark.parametrize(
    ("rate", "chosen"),
    [(0.0, [False] * 4), (0.25, [True, True, False, False]), (1.0, [True] * 4)],
)
def test_the_rate_is_the_share_that_is_chosen(
    tmp_path: Path, make: Make, rate: float, chosen: list[bool]
) -> None:
    log = make(LoggingConfig(tmp_path / "log", rate))
    assert [log.chosen() for _ in range(4)] == chosen
    log.stop()


def test_a_record_is_the_exchange_and_where_it_comes_from(
    tmp_path: Path, make: Make, outcomes: list[Outcome]
) -> None:
    log = make(LoggingConfig(tmp_path / "log", 0.5))
    response = serving_pb2.PredictResponse()
    response.model_spec.name = "m"
    log.keep("m", Kind.PREDICT, predict_request(label="canary"), response.SerializeToString())
    log.stop()
    (record,) = records(tmp_path)
    assert record.log_metadata.model_spec.version_label == "canary"
    assert record.log_metadata.sampling_config.sampling_rate == 0.5
    assert list(record.log_metadata.saved_model_tags) == ["serve"]
    assert record.log_metadata.timestamp_secs == 1234
    assert record.predict_log.request.SerializeToString() == predict_request(label="canary")
    assert record.predict_log.response == response
    assert outcomes == [("m", Code.OK)]


def test_a_label_that_is_no_text_is_left_out_with_its_response(
    tmp_path: Path, make: Make, outcomes: list[Outcome]
) -> None:
    response = inference_pb2.ClassificationResponse()
    classes = response.result.classifications.add().classes
    classes.add(label="??")
    request = inference_pb2.ClassificationRequest()
    request.model_spec.name = "m"
    log = make(LoggingConfig(tmp_path / "log", 1.0))
    data = response.SerializeToString().replace(b"??", b"\xff\xfe")
    log.keep("m", Kind.CLASSIFY, request.SerializeToString(), data)
    log.keep("m", Kind.CLASSIFY, b"\xff", b"")
    log.stop()
    (record,) = records(tmp_path)
    assert not record.classify_log.HasField("response")
    assert outcomes == [("m", Code.OK), ("m", Code.INVALID_ARGUMENT)]


class StuckFiles(RotatingFiles):
    """A disk that does not answer until it is told to."""

    def __init__(self, prefix: Path) -> None:
        super().__init__(prefix, clock=FakeClock())
        self.writing = threading.Event()
        self.go_on = threading.Event()
        self.problem: OSError | None = None

    def write(self, data: bytes) -> None:
        self.writing.set()
        assert self.go_on.wait(60)
        if self.problem is not None:
            raise self.problem
        super().write(data)


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[StuckFiles]:
    files = StuckFiles(tmp_path / "log")
    yield files
    files.go_on.set()


def collector(files: RotatingFiles, outcomes: list[Outcome], **limits: int) -> Collector:
    started = Collector(
        files, lambda _: None, lambda model, code: outcomes.append((model, code)), **limits
    )
    started.start()
    return started


def exchange(model: str = "m") -> Exchange:
    return Exchange(model, Kind.PREDICT, predict_request(), b"", 0)


@pytest.mark.parametrize("limits", [{"most": 1}, {"most_bytes": len(predict_request())}])
def test_a_slow_disk_makes_no_request_wait_and_what_is_dropped_is_counted(
    stuck: StuckFiles, tmp_path: Path, outcomes: list[Outcome], limits: dict[str, int]
) -> None:
    slow = collector(stuck, outcomes, **limits)
    slow.offer(exchange())
    assert stuck.writing.wait(60)
    slow.offer(exchange())
    for _ in range(3):
        slow.offer(exchange("dropped"))
    dropped = outcomes.count(("dropped", Code.RESOURCE_EXHAUSTED))
    assert dropped >= 2
    stuck.go_on.set()
    slow.stop()
    assert len(records(tmp_path)) == 5 - dropped


def test_a_full_disk_is_counted_and_tried_again(
    stuck: StuckFiles, tmp_path: Path, outcomes: list[Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    written = collector(stuck, outcomes)
    stuck.problem = OSError(28, "No space left on device")
    written.offer(exchange())
    written.offer(exchange())
    stuck.go_on.set()
    written.stop()
    assert outcomes == [("m", Code.UNAVAILABLE)] * 2
    assert caplog.text.count("No space left on device") == 1
    assert records(tmp_path) == []


def test_what_comes_after_the_end_is_dropped(tmp_path: Path, outcomes: list[Outcome]) -> None:
    ended = collector(RotatingFiles(tmp_path / "log"), outcomes)
    ended.stop()
    ended.offer(exchange())
    assert outcomes == [("m", Code.RESOURCE_EXHAUSTED)]


def test_equal_configurations_share_a_log_that_goes_on_when_others_change(
    tmp_path: Path, make: Make
) -> None:
    one, two = LoggingConfig(tmp_path / "one", 1.0), LoggingConfig(tmp_path / "two", 1.0)
    logs = RequestLogs(make)
    logs.configure({"a": one, "b": one})
    first = logs.of("a")
    assert first is not None
    assert logs.of("b") is first
    logs.configure({"b": one, "c": two})
    assert logs.of("a") is None
    assert logs.of("b") is first
    assert set(logs.active) == {one, two}
    logs.stop()
    assert logs.of("b") is None


def test_a_folder_that_can_not_be_made_changes_nothing(tmp_path: Path, make: Make) -> None:
    (tmp_path / "file").write_bytes(b"")
    logs = RequestLogs(make)
    logs.configure({"a": LoggingConfig(tmp_path / "new" / "log", 1.0)})
    before = logs.of("a")
    with pytest.raises(FailedPrecondition, match="can not be made"):
        logs.configure({"a": LoggingConfig(tmp_path / "file" / "log", 1.0)})
    assert logs.of("a") is before
    logs.stop()


@pytest.mark.parametrize(
    ("prefix", "rate"),
    [("relative/log", 1.0), ("/a\0b", 1.0), ("/log", -0.1), ("/log", 1.1), ("/log", float("nan"))],
)
def test_a_configuration_that_can_not_be_followed_is_refused(prefix: str, rate: float) -> None:
    with pytest.raises(InvalidArgument):
        LoggingConfig(Path(prefix), rate)


def test_what_becomes_of_chosen_requests_is_a_metric_of_the_peers() -> None:
    metrics = Metrics()
    metrics.records.note_logged("m", Code.OK)
    metrics.records.note_warmup("/models/m/1", "OK", 3, 0.001)
    line = ':tensorflow:serving:request_log_count{model_name="m",status_code="OK"} 1'
    assert line in metrics.peer_page()
    labels = '{model_path="/models/m/1",status="OK"}'
    assert f":tensorflow:serving:model_warmup_records_read{labels} 3" in metrics.peer_page()
    assert f":tensorflow:serving:model_warmup_latency_count{labels} 1" in metrics.page()


def test_models_without_a_log_are_not_looked_after() -> None:
    from servable.recording.models import LoggedModels

    inner = FakeModels({"m": {1: half_plus_two()}})
    logged = LoggedModels(inner, RequestLogs(lambda _: pytest.fail("nothing asks for a log")))
    assert logged.acquire("m") is inner.handles[0]
    assert not hasattr(logged, "reload")
    assert not hasattr(logged, "load_model")
