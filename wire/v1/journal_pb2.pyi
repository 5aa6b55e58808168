from wire.v1 import run_pb2 as _run_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Record(_message.Message):
    __slots__ = ("term", "submitted", "started", "said", "cancelled", "adopted", "forgotten", "elected", "resigned")
    TERM_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    SAID_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    ADOPTED_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    ELECTED_FIELD_NUMBER: _ClassVar[int]
    RESIGNED_FIELD_NUMBER: _ClassVar[int]
    term: TermBegun
    submitted: RunSubmitted
    started: WaferStarted
    said: RunSaid
    cancelled: RunCancelled
    adopted: RunAdopted
    forgotten: RunForgotten
    elected: ChiefElected
    resigned: ChiefResigned
    def __init__(self, term: _Optional[_Union[TermBegun, _Mapping]] = ..., submitted: _Optional[_Union[RunSubmitted, _Mapping]] = ..., started: _Optional[_Union[WaferStarted, _Mapping]] = ..., said: _Optional[_Union[RunSaid, _Mapping]] = ..., cancelled: _Optional[_Union[RunCancelled, _Mapping]] = ..., adopted: _Optional[_Union[RunAdopted, _Mapping]] = ..., forgotten: _Optional[_Union[RunForgotten, _Mapping]] = ..., elected: _Optional[_Union[ChiefElected, _Mapping]] = ..., resigned: _Optional[_Union[ChiefResigned, _Mapping]] = ...) -> None: ...

class TermBegun(_message.Message):
    __slots__ = ("term",)
    TERM_FIELD_NUMBER: _ClassVar[int]
    term: int
    def __init__(self, term: _Optional[int] = ...) -> None: ...

class RunSubmitted(_message.Message):
    __slots__ = ("run_id", "spec")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    spec: _run_pb2.RunSpec
    def __init__(self, run_id: _Optional[str] = ..., spec: _Optional[_Union[_run_pb2.RunSpec, _Mapping]] = ...) -> None: ...

class WaferStarted(_message.Message):
    __slots__ = ("run_id", "incarnation")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    incarnation: int
    def __init__(self, run_id: _Optional[str] = ..., incarnation: _Optional[int] = ...) -> None: ...

class RunSaid(_message.Message):
    __slots__ = ("run_id", "event")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    event: _run_pb2.RunEvent
    def __init__(self, run_id: _Optional[str] = ..., event: _Optional[_Union[_run_pb2.RunEvent, _Mapping]] = ...) -> None: ...

class RunCancelled(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class RunAdopted(_message.Message):
    __slots__ = ("run_id", "session", "chief")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    CHIEF_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    session: str
    chief: str
    def __init__(self, run_id: _Optional[str] = ..., session: _Optional[str] = ..., chief: _Optional[str] = ...) -> None: ...

class RunForgotten(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class ChiefElected(_message.Message):
    __slots__ = ("job", "candidate")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    job: str
    candidate: str
    def __init__(self, job: _Optional[str] = ..., candidate: _Optional[str] = ...) -> None: ...

class ChiefResigned(_message.Message):
    __slots__ = ("job", "candidate")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    job: str
    candidate: str
    def __init__(self, job: _Optional[str] = ..., candidate: _Optional[str] = ...) -> None: ...
