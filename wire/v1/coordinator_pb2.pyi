from wire.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RegisterRequest(_message.Message):
    __slots__ = ("name", "shard", "session", "has_loader")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    HAS_LOADER_FIELD_NUMBER: _ClassVar[int]
    name: str
    shard: int
    session: str
    has_loader: bool
    def __init__(self, name: _Optional[str] = ..., shard: _Optional[int] = ..., session: _Optional[str] = ..., has_loader: _Optional[bool] = ...) -> None: ...

class RegisterReply(_message.Message):
    __slots__ = ("worker_id", "incarnation", "heartbeat_seconds", "lost_after_seconds")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LOST_AFTER_SECONDS_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    incarnation: int
    heartbeat_seconds: float
    lost_after_seconds: float
    def __init__(self, worker_id: _Optional[str] = ..., incarnation: _Optional[int] = ..., heartbeat_seconds: _Optional[float] = ..., lost_after_seconds: _Optional[float] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("worker_id", "incarnation")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    incarnation: int
    def __init__(self, worker_id: _Optional[str] = ..., incarnation: _Optional[int] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("run_id", "ingest_address", "data", "mode", "streams", "notice", "leave")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    INGEST_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    ingest_address: str
    data: _run_pb2.DataPlan
    mode: _run_pb2.Mode
    streams: _containers.RepeatedCompositeFieldContainer[StreamLease]
    notice: str
    leave: bool
    def __init__(self, run_id: _Optional[str] = ..., ingest_address: _Optional[str] = ..., data: _Optional[_Union[_run_pb2.DataPlan, _Mapping]] = ..., mode: _Optional[_Union[_run_pb2.Mode, str]] = ..., streams: _Optional[_Iterable[_Union[StreamLease, _Mapping]]] = ..., notice: _Optional[str] = ..., leave: _Optional[bool] = ...) -> None: ...

class StreamLease(_message.Message):
    __slots__ = ("stream", "lease")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    stream: int
    lease: int
    def __init__(self, stream: _Optional[int] = ..., lease: _Optional[int] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("worker_id", "incarnation", "seams", "cores", "lines")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    SEAMS_FIELD_NUMBER: _ClassVar[int]
    CORES_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    incarnation: int
    seams: _containers.RepeatedCompositeFieldContainer[_run_pb2.Seam]
    cores: _run_pb2.Cores
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, worker_id: _Optional[str] = ..., incarnation: _Optional[int] = ..., seams: _Optional[_Iterable[_Union[_run_pb2.Seam, _Mapping]]] = ..., cores: _Optional[_Union[_run_pb2.Cores, _Mapping]] = ..., lines: _Optional[_Iterable[str]] = ...) -> None: ...

class HeartbeatReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportFailureRequest(_message.Message):
    __slots__ = ("worker_id", "incarnation", "run_id", "stream", "problem")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    incarnation: int
    run_id: str
    stream: int
    problem: _run_pb2.Problem
    def __init__(self, worker_id: _Optional[str] = ..., incarnation: _Optional[int] = ..., run_id: _Optional[str] = ..., stream: _Optional[int] = ..., problem: _Optional[_Union[_run_pb2.Problem, _Mapping]] = ...) -> None: ...

class ReportEndRequest(_message.Message):
    __slots__ = ("name", "session", "lines")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    name: str
    session: str
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., session: _Optional[str] = ..., lines: _Optional[_Iterable[str]] = ...) -> None: ...

class ReportEndReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportFailureReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ElectRequest(_message.Message):
    __slots__ = ("job", "candidate", "successor")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_FIELD_NUMBER: _ClassVar[int]
    job: str
    candidate: str
    successor: bool
    def __init__(self, job: _Optional[str] = ..., candidate: _Optional[str] = ..., successor: _Optional[bool] = ...) -> None: ...

class ElectReply(_message.Message):
    __slots__ = ("chief",)
    CHIEF_FIELD_NUMBER: _ClassVar[int]
    chief: str
    def __init__(self, chief: _Optional[str] = ...) -> None: ...

class ResignRequest(_message.Message):
    __slots__ = ("job", "candidate")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    job: str
    candidate: str
    def __init__(self, job: _Optional[str] = ..., candidate: _Optional[str] = ...) -> None: ...

class ResignReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MeetRequest(_message.Message):
    __slots__ = ("session", "tag", "time", "task", "tasks", "payload")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    session: str
    tag: str
    time: int
    task: int
    tasks: int
    payload: str
    def __init__(self, session: _Optional[str] = ..., tag: _Optional[str] = ..., time: _Optional[int] = ..., task: _Optional[int] = ..., tasks: _Optional[int] = ..., payload: _Optional[str] = ...) -> None: ...

class MeetReply(_message.Message):
    __slots__ = ("payloads", "missing")
    PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    payloads: _containers.RepeatedScalarFieldContainer[str]
    missing: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, payloads: _Optional[_Iterable[str]] = ..., missing: _Optional[_Iterable[int]] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WorkerStatus(_message.Message):
    __slots__ = ("worker_id", "name", "streams", "silent_seconds", "shard", "late")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    SILENT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    name: str
    streams: _containers.RepeatedScalarFieldContainer[int]
    silent_seconds: float
    shard: int
    late: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, worker_id: _Optional[str] = ..., name: _Optional[str] = ..., streams: _Optional[_Iterable[int]] = ..., silent_seconds: _Optional[float] = ..., shard: _Optional[int] = ..., late: _Optional[_Iterable[int]] = ...) -> None: ...

class RunStatus(_message.Message):
    __slots__ = ("run_id", "state", "spec", "progress", "problem", "place", "seams", "phase")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    SEAMS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    state: str
    spec: _run_pb2.RunSpec
    progress: _run_pb2.Progress
    problem: _run_pb2.Problem
    place: int
    seams: _containers.RepeatedCompositeFieldContainer[_run_pb2.Seam]
    phase: str
    def __init__(self, run_id: _Optional[str] = ..., state: _Optional[str] = ..., spec: _Optional[_Union[_run_pb2.RunSpec, _Mapping]] = ..., progress: _Optional[_Union[_run_pb2.Progress, _Mapping]] = ..., problem: _Optional[_Union[_run_pb2.Problem, _Mapping]] = ..., place: _Optional[int] = ..., seams: _Optional[_Iterable[_Union[_run_pb2.Seam, _Mapping]]] = ..., phase: _Optional[str] = ...) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("runs", "workers", "up_seconds")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    UP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[RunStatus]
    workers: _containers.RepeatedCompositeFieldContainer[WorkerStatus]
    up_seconds: float
    def __init__(self, runs: _Optional[_Iterable[_Union[RunStatus, _Mapping]]] = ..., workers: _Optional[_Iterable[_Union[WorkerStatus, _Mapping]]] = ..., up_seconds: _Optional[float] = ...) -> None: ...
