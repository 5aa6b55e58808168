from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Cursor(_message.Message):
    __slots__ = ("stream", "epoch", "sequence")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    stream: int
    epoch: int
    sequence: int
    def __init__(self, stream: _Optional[int] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ...) -> None: ...

class FrameHeader(_message.Message):
    __slots__ = ("cursor", "following", "payload_bytes", "end", "digests", "row_numbers", "bad", "loader_state", "place")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    FOLLOWING_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    ROW_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    BAD_FIELD_NUMBER: _ClassVar[int]
    LOADER_STATE_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    cursor: Cursor
    following: Cursor
    payload_bytes: int
    end: bool
    digests: _containers.RepeatedScalarFieldContainer[int]
    row_numbers: bytes
    bad: _containers.RepeatedCompositeFieldContainer[BadSample]
    loader_state: bytes
    place: int
    def __init__(self, cursor: _Optional[_Union[Cursor, _Mapping]] = ..., following: _Optional[_Union[Cursor, _Mapping]] = ..., payload_bytes: _Optional[int] = ..., end: _Optional[bool] = ..., digests: _Optional[_Iterable[int]] = ..., row_numbers: _Optional[bytes] = ..., bad: _Optional[_Iterable[_Union[BadSample, _Mapping]]] = ..., loader_state: _Optional[bytes] = ..., place: _Optional[int] = ...) -> None: ...

class BadSample(_message.Message):
    __slots__ = ("place", "row", "where", "why")
    PLACE_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    place: int
    row: int
    where: str
    why: str
    def __init__(self, place: _Optional[int] = ..., row: _Optional[int] = ..., where: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class LoaderState(_message.Message):
    __slots__ = ("at", "state")
    AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    at: Cursor
    state: bytes
    def __init__(self, at: _Optional[_Union[Cursor, _Mapping]] = ..., state: _Optional[bytes] = ...) -> None: ...

class FramesHeader(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[FrameHeader]
    def __init__(self, frames: _Optional[_Iterable[_Union[FrameHeader, _Mapping]]] = ...) -> None: ...

class PushHello(_message.Message):
    __slots__ = ("run_id", "stream", "lease", "worker_id", "element_spec", "machine")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_SPEC_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    stream: int
    lease: int
    worker_id: str
    element_spec: bytes
    machine: str
    def __init__(self, run_id: _Optional[str] = ..., stream: _Optional[int] = ..., lease: _Optional[int] = ..., worker_id: _Optional[str] = ..., element_spec: _Optional[bytes] = ..., machine: _Optional[str] = ...) -> None: ...

class SharedMemory(_message.Message):
    __slots__ = ("process", "descriptor", "size", "key")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    process: int
    descriptor: int
    size: int
    key: bytes
    def __init__(self, process: _Optional[int] = ..., descriptor: _Optional[int] = ..., size: _Optional[int] = ..., key: _Optional[bytes] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("start", "batches", "bytes", "acked", "stop", "history", "loader_state", "memory", "landed")
    START_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ACKED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    LOADER_STATE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    LANDED_FIELD_NUMBER: _ClassVar[int]
    start: Cursor
    batches: int
    bytes: int
    acked: Cursor
    stop: bool
    history: bytes
    loader_state: LoaderState
    memory: SharedMemory
    landed: int
    def __init__(self, start: _Optional[_Union[Cursor, _Mapping]] = ..., batches: _Optional[int] = ..., bytes: _Optional[int] = ..., acked: _Optional[_Union[Cursor, _Mapping]] = ..., stop: _Optional[bool] = ..., history: _Optional[bytes] = ..., loader_state: _Optional[_Union[LoaderState, _Mapping]] = ..., memory: _Optional[_Union[SharedMemory, _Mapping]] = ..., landed: _Optional[int] = ...) -> None: ...
