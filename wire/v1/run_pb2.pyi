from wire.v1 import ingest_pb2 as _ingest_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_TRAIN: _ClassVar[Mode]
    MODE_EVAL: _ClassVar[Mode]

class Fabric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FABRIC_UNSPECIFIED: _ClassVar[Fabric]
    FABRIC_COMPUTE: _ClassVar[Fabric]
    FABRIC_DRAIN: _ClassVar[Fabric]
    FABRIC_SYNTHETIC: _ClassVar[Fabric]
MODE_UNSPECIFIED: Mode
MODE_TRAIN: Mode
MODE_EVAL: Mode
FABRIC_UNSPECIFIED: Fabric
FABRIC_COMPUTE: Fabric
FABRIC_DRAIN: Fabric
FABRIC_SYNTHETIC: Fabric

class Problem(_message.Message):
    __slots__ = ("kind", "what", "where", "fix")
    KIND_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    FIX_FIELD_NUMBER: _ClassVar[int]
    kind: str
    what: str
    where: str
    fix: str
    def __init__(self, kind: _Optional[str] = ..., what: _Optional[str] = ..., where: _Optional[str] = ..., fix: _Optional[str] = ...) -> None: ...

class CompileRequest(_message.Message):
    __slots__ = ("program",)
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    program: bytes
    def __init__(self, program: _Optional[bytes] = ...) -> None: ...

class CompileReply(_message.Message):
    __slots__ = ("executable", "cached")
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    executable: str
    cached: bool
    def __init__(self, executable: _Optional[str] = ..., cached: _Optional[bool] = ...) -> None: ...

class DataPlan(_message.Message):
    __slots__ = ("streams", "replicas", "batch_size", "drop_remainder", "epochs", "seed", "shuffle", "prefetch", "element_spec", "recipe", "rows", "bad_samples")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    DROP_REMAINDER_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SHUFFLE_FIELD_NUMBER: _ClassVar[int]
    PREFETCH_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_SPEC_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BAD_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    streams: int
    replicas: int
    batch_size: int
    drop_remainder: bool
    epochs: int
    seed: int
    shuffle: bool
    prefetch: int
    element_spec: bytes
    recipe: str
    rows: int
    bad_samples: BadSamples
    def __init__(self, streams: _Optional[int] = ..., replicas: _Optional[int] = ..., batch_size: _Optional[int] = ..., drop_remainder: _Optional[bool] = ..., epochs: _Optional[int] = ..., seed: _Optional[int] = ..., shuffle: _Optional[bool] = ..., prefetch: _Optional[int] = ..., element_spec: _Optional[bytes] = ..., recipe: _Optional[str] = ..., rows: _Optional[int] = ..., bad_samples: _Optional[_Union[BadSamples, _Mapping]] = ...) -> None: ...

class BadSamples(_message.Message):
    __slots__ = ("in_a_row", "fraction")
    IN_A_ROW_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    in_a_row: int
    fraction: float
    def __init__(self, in_a_row: _Optional[int] = ..., fraction: _Optional[float] = ...) -> None: ...

class StreamStart(_message.Message):
    __slots__ = ("cursor", "samples", "batches")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    cursor: _ingest_pb2.Cursor
    samples: int
    batches: int
    def __init__(self, cursor: _Optional[_Union[_ingest_pb2.Cursor, _Mapping]] = ..., samples: _Optional[int] = ..., batches: _Optional[int] = ...) -> None: ...

class Skip(_message.Message):
    __slots__ = ("first", "last")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class RunSpec(_message.Message):
    __slots__ = ("mode", "fabric", "model_dir", "executable", "data", "optimizer", "max_steps", "checkpoint_steps", "log_steps", "keep_checkpoint_max", "seed", "checkpoint", "check_loss_values", "session", "drain_rate", "fresh_start", "input_timeout", "starts", "skip", "tcp_only", "summary_steps", "weight_streaming", "wafer_memory", "counted_from", "chief")
    MODE_FIELD_NUMBER: _ClassVar[int]
    FABRIC_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIR_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    MAX_STEPS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_STEPS_FIELD_NUMBER: _ClassVar[int]
    LOG_STEPS_FIELD_NUMBER: _ClassVar[int]
    KEEP_CHECKPOINT_MAX_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    CHECK_LOSS_VALUES_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    DRAIN_RATE_FIELD_NUMBER: _ClassVar[int]
    FRESH_START_FIELD_NUMBER: _ClassVar[int]
    INPUT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    TCP_ONLY_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_STEPS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_STREAMING_FIELD_NUMBER: _ClassVar[int]
    WAFER_MEMORY_FIELD_NUMBER: _ClassVar[int]
    COUNTED_FROM_FIELD_NUMBER: _ClassVar[int]
    CHIEF_FIELD_NUMBER: _ClassVar[int]
    mode: Mode
    fabric: Fabric
    model_dir: str
    executable: str
    data: DataPlan
    optimizer: str
    max_steps: int
    checkpoint_steps: int
    log_steps: int
    keep_checkpoint_max: int
    seed: int
    checkpoint: str
    check_loss_values: bool
    session: str
    drain_rate: float
    fresh_start: bool
    input_timeout: float
    starts: _containers.RepeatedCompositeFieldContainer[StreamStart]
    skip: _containers.RepeatedCompositeFieldContainer[Skip]
    tcp_only: bool
    summary_steps: int
    weight_streaming: bool
    wafer_memory: int
    counted_from: int
    chief: str
    def __init__(self, mode: _Optional[_Union[Mode, str]] = ..., fabric: _Optional[_Union[Fabric, str]] = ..., model_dir: _Optional[str] = ..., executable: _Optional[str] = ..., data: _Optional[_Union[DataPlan, _Mapping]] = ..., optimizer: _Optional[str] = ..., max_steps: _Optional[int] = ..., checkpoint_steps: _Optional[int] = ..., log_steps: _Optional[int] = ..., keep_checkpoint_max: _Optional[int] = ..., seed: _Optional[int] = ..., checkpoint: _Optional[str] = ..., check_loss_values: _Optional[bool] = ..., session: _Optional[str] = ..., drain_rate: _Optional[float] = ..., fresh_start: _Optional[bool] = ..., input_timeout: _Optional[float] = ..., starts: _Optional[_Iterable[_Union[StreamStart, _Mapping]]] = ..., skip: _Optional[_Iterable[_Union[Skip, _Mapping]]] = ..., tcp_only: _Optional[bool] = ..., summary_steps: _Optional[int] = ..., weight_streaming: _Optional[bool] = ..., wafer_memory: _Optional[int] = ..., counted_from: _Optional[int] = ..., chief: _Optional[str] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("spec",)
    SPEC_FIELD_NUMBER: _ClassVar[int]
    spec: RunSpec
    def __init__(self, spec: _Optional[_Union[RunSpec, _Mapping]] = ...) -> None: ...

class SubmitReply(_message.Message):
    __slots__ = ("run_id", "attached")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    attached: bool
    def __init__(self, run_id: _Optional[str] = ..., attached: _Optional[bool] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ("run_id", "after", "candidate")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after: int
    candidate: str
    def __init__(self, run_id: _Optional[str] = ..., after: _Optional[int] = ..., candidate: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("step", "max_steps", "loss", "samples", "seconds", "samples_per_second", "recent_samples_per_second", "utilisation", "stall_seconds", "stalls", "streams", "learning_rate", "skipped_steps", "loss_scale", "busy_seconds", "seams", "cores")
    STEP_FIELD_NUMBER: _ClassVar[int]
    MAX_STEPS_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    RECENT_SAMPLES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    UTILISATION_FIELD_NUMBER: _ClassVar[int]
    STALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STALLS_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_STEPS_FIELD_NUMBER: _ClassVar[int]
    LOSS_SCALE_FIELD_NUMBER: _ClassVar[int]
    BUSY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SEAMS_FIELD_NUMBER: _ClassVar[int]
    CORES_FIELD_NUMBER: _ClassVar[int]
    step: int
    max_steps: int
    loss: float
    samples: int
    seconds: float
    samples_per_second: float
    recent_samples_per_second: float
    utilisation: float
    stall_seconds: float
    stalls: _containers.RepeatedCompositeFieldContainer[SeamStall]
    streams: _containers.RepeatedCompositeFieldContainer[StreamPosition]
    learning_rate: float
    skipped_steps: int
    loss_scale: float
    busy_seconds: float
    seams: _containers.RepeatedCompositeFieldContainer[Seam]
    cores: _containers.RepeatedCompositeFieldContainer[Cores]
    def __init__(self, step: _Optional[int] = ..., max_steps: _Optional[int] = ..., loss: _Optional[float] = ..., samples: _Optional[int] = ..., seconds: _Optional[float] = ..., samples_per_second: _Optional[float] = ..., recent_samples_per_second: _Optional[float] = ..., utilisation: _Optional[float] = ..., stall_seconds: _Optional[float] = ..., stalls: _Optional[_Iterable[_Union[SeamStall, _Mapping]]] = ..., streams: _Optional[_Iterable[_Union[StreamPosition, _Mapping]]] = ..., learning_rate: _Optional[float] = ..., skipped_steps: _Optional[int] = ..., loss_scale: _Optional[float] = ..., busy_seconds: _Optional[float] = ..., seams: _Optional[_Iterable[_Union[Seam, _Mapping]]] = ..., cores: _Optional[_Iterable[_Union[Cores, _Mapping]]] = ...) -> None: ...

class Cores(_message.Message):
    __slots__ = ("machine", "cores", "busy_seconds", "seconds", "own_seconds")
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    CORES_FIELD_NUMBER: _ClassVar[int]
    BUSY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    OWN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    machine: str
    cores: int
    busy_seconds: float
    seconds: float
    own_seconds: float
    def __init__(self, machine: _Optional[str] = ..., cores: _Optional[int] = ..., busy_seconds: _Optional[float] = ..., seconds: _Optional[float] = ..., own_seconds: _Optional[float] = ...) -> None: ...

class SeamStall(_message.Message):
    __slots__ = ("seam", "seconds")
    SEAM_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    seam: str
    seconds: float
    def __init__(self, seam: _Optional[str] = ..., seconds: _Optional[float] = ...) -> None: ...

class StreamPosition(_message.Message):
    __slots__ = ("next", "samples", "batches")
    NEXT_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    next: _ingest_pb2.Cursor
    samples: int
    batches: int
    def __init__(self, next: _Optional[_Union[_ingest_pb2.Cursor, _Mapping]] = ..., samples: _Optional[int] = ..., batches: _Optional[int] = ...) -> None: ...

class Late(_message.Message):
    __slots__ = ("stream", "worker", "seconds")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    stream: int
    worker: str
    seconds: float
    def __init__(self, stream: _Optional[int] = ..., worker: _Optional[str] = ..., seconds: _Optional[float] = ...) -> None: ...

class Passed(_message.Message):
    __slots__ = ("step", "cursor", "bad")
    STEP_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    BAD_FIELD_NUMBER: _ClassVar[int]
    step: int
    cursor: _ingest_pb2.Cursor
    bad: _containers.RepeatedCompositeFieldContainer[_ingest_pb2.BadSample]
    def __init__(self, step: _Optional[int] = ..., cursor: _Optional[_Union[_ingest_pb2.Cursor, _Mapping]] = ..., bad: _Optional[_Iterable[_Union[_ingest_pb2.BadSample, _Mapping]]] = ...) -> None: ...

class Observed(_message.Message):
    __slots__ = ("step", "element_spec", "values")
    STEP_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_SPEC_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    step: int
    element_spec: bytes
    values: bytes
    def __init__(self, step: _Optional[int] = ..., element_spec: _Optional[bytes] = ..., values: _Optional[bytes] = ...) -> None: ...

class Saved(_message.Message):
    __slots__ = ("step", "path")
    STEP_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    step: int
    path: str
    def __init__(self, step: _Optional[int] = ..., path: _Optional[str] = ...) -> None: ...

class Finished(_message.Message):
    __slots__ = ("progress", "metrics", "programming_seconds", "seams", "stopped", "timeline")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    PROGRAMMING_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SEAMS_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    metrics: _containers.ScalarMap[str, float]
    programming_seconds: float
    seams: _containers.RepeatedCompositeFieldContainer[Seam]
    stopped: bool
    timeline: _containers.RepeatedCompositeFieldContainer[Interval]
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., programming_seconds: _Optional[float] = ..., seams: _Optional[_Iterable[_Union[Seam, _Mapping]]] = ..., stopped: _Optional[bool] = ..., timeline: _Optional[_Iterable[_Union[Interval, _Mapping]]] = ...) -> None: ...

class Interval(_message.Message):
    __slots__ = ("seconds", "samples", "stall_seconds")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    STALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    seconds: float
    samples: int
    stall_seconds: float
    def __init__(self, seconds: _Optional[float] = ..., samples: _Optional[int] = ..., stall_seconds: _Optional[float] = ...) -> None: ...

class Seam(_message.Message):
    __slots__ = ("name", "items", "put_wait", "get_wait", "occupancy", "depth", "capacity", "worker", "stream", "put_waits", "get_waits", "bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PUT_WAIT_FIELD_NUMBER: _ClassVar[int]
    GET_WAIT_FIELD_NUMBER: _ClassVar[int]
    OCCUPANCY_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    PUT_WAITS_FIELD_NUMBER: _ClassVar[int]
    GET_WAITS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    items: int
    put_wait: float
    get_wait: float
    occupancy: float
    depth: int
    capacity: int
    worker: str
    stream: int
    put_waits: _containers.RepeatedScalarFieldContainer[int]
    get_waits: _containers.RepeatedScalarFieldContainer[int]
    bytes: int
    def __init__(self, name: _Optional[str] = ..., items: _Optional[int] = ..., put_wait: _Optional[float] = ..., get_wait: _Optional[float] = ..., occupancy: _Optional[float] = ..., depth: _Optional[int] = ..., capacity: _Optional[int] = ..., worker: _Optional[str] = ..., stream: _Optional[int] = ..., put_waits: _Optional[_Iterable[int]] = ..., get_waits: _Optional[_Iterable[int]] = ..., bytes: _Optional[int] = ...) -> None: ...

class WorkerGone(_message.Message):
    __slots__ = ("worker", "why", "lines")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    worker: str
    why: str
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, worker: _Optional[str] = ..., why: _Optional[str] = ..., lines: _Optional[_Iterable[str]] = ...) -> None: ...

class RunEvent(_message.Message):
    __slots__ = ("number", "queued", "phase", "progress", "saved", "finished", "failed", "late", "passed", "observed", "gone")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SAVED_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    number: int
    queued: int
    phase: str
    progress: Progress
    saved: Saved
    finished: Finished
    failed: Problem
    late: Late
    passed: Passed
    observed: Observed
    gone: WorkerGone
    def __init__(self, number: _Optional[int] = ..., queued: _Optional[int] = ..., phase: _Optional[str] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., saved: _Optional[_Union[Saved, _Mapping]] = ..., finished: _Optional[_Union[Finished, _Mapping]] = ..., failed: _Optional[_Union[Problem, _Mapping]] = ..., late: _Optional[_Union[Late, _Mapping]] = ..., passed: _Optional[_Union[Passed, _Mapping]] = ..., observed: _Optional[_Union[Observed, _Mapping]] = ..., gone: _Optional[_Union[WorkerGone, _Mapping]] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class CancelReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WaferEvent(_message.Message):
    __slots__ = ("attached", "run")
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    attached: Attached
    run: RunEvent
    def __init__(self, attached: _Optional[_Union[Attached, _Mapping]] = ..., run: _Optional[_Union[RunEvent, _Mapping]] = ...) -> None: ...

class Attached(_message.Message):
    __slots__ = ("run_id", "incarnation", "ingest_address")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    INGEST_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    incarnation: int
    ingest_address: str
    def __init__(self, run_id: _Optional[str] = ..., incarnation: _Optional[int] = ..., ingest_address: _Optional[str] = ...) -> None: ...

class WaferOrder(_message.Message):
    __slots__ = ("start", "stop", "fail", "seams")
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    FAIL_FIELD_NUMBER: _ClassVar[int]
    SEAMS_FIELD_NUMBER: _ClassVar[int]
    start: RunSpec
    stop: bool
    fail: Problem
    seams: SeamReport
    def __init__(self, start: _Optional[_Union[RunSpec, _Mapping]] = ..., stop: _Optional[bool] = ..., fail: _Optional[_Union[Problem, _Mapping]] = ..., seams: _Optional[_Union[SeamReport, _Mapping]] = ...) -> None: ...

class SeamReport(_message.Message):
    __slots__ = ("worker_id", "seams", "cores")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    SEAMS_FIELD_NUMBER: _ClassVar[int]
    CORES_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    seams: _containers.RepeatedCompositeFieldContainer[Seam]
    cores: Cores
    def __init__(self, worker_id: _Optional[str] = ..., seams: _Optional[_Iterable[_Union[Seam, _Mapping]]] = ..., cores: _Optional[_Union[Cores, _Mapping]] = ...) -> None: ...
