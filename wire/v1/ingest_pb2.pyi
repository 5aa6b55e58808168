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
    __slots__ = ("cursor", "following", "payload_bytes", "end")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    FOLLOWING_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    cursor: Cursor
    following: Cursor
    payload_bytes: int
    end: bool
    def __init__(self, cursor: _Optional[_Union[Cursor, _Mapping]] = ..., following: _Optional[_Union[Cursor, _Mapping]] = ..., payload_bytes: _Optional[int] = ..., end: _Optional[bool] = ...) -> None: ...

class FramesHeader(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[FrameHeader]
    def __init__(self, frames: _Optional[_Iterable[_Union[FrameHeader, _Mapping]]] = ...) -> None: ...

class PushHello(_message.Message):
    __slots__ = ("run_id", "stream", "lease", "worker_id", "element_spec")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_SPEC_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    stream: int
    lease: int
    worker_id: str
    element_spec: bytes
    def __init__(self, run_id: _Optional[str] = ..., stream: _Optional[int] = ..., lease: _Optional[int] = ..., worker_id: _Optional[str] = ..., element_spec: _Optional[bytes] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("start", "batches", "bytes", "acked", "stop")
    START_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ACKED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    start: Cursor
    batches: int
    bytes: int
    acked: Cursor
    stop: bool
    def __init__(self, start: _Optional[_Union[Cursor, _Mapping]] = ..., batches: _Optional[int] = ..., bytes: _Optional[int] = ..., acked: _Optional[_Union[Cursor, _Mapping]] = ..., stop: _Optional[bool] = ...) -> None: ...
