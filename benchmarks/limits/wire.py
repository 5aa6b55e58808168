"""Limits of a connection between two processes of this machine: a socket, and a gRPC stream of bytes. One way."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from typing import Any, Protocol

import grpc
import numpy as np
import numpy.typing as npt

from benchmarks.peers.task import SCALE
from wire.allocator import keep_freed_memory
from wire.channel import Security, connect, serve
from wire.room import Envelope

SECONDS = 1.0
WARM_UP_SECONDS = 0.3
PATIENCE_SECONDS = 30.0
_METHOD = "/bare.Bytes/Push"
_ENVELOPES = 4
_spawn = multiprocessing.get_context("spawn")

Table = npt.NDArray[Any]


def tcp_rate(message_bytes: int, seconds: float = SECONDS) -> float:
    """GB/s through one connection, written in pieces of `message_bytes` and read into one buffer."""
    with socket.create_server(("localhost", 0)) as listening:
        listening.settimeout(PATIENCE_SECONDS)
        sender = _spawn.Process(target=_send, args=(listening.getsockname()[1], message_bytes), daemon=True)
        sender.start()
        connection, _ = listening.accept()
        with connection:
            rate = _read(connection, bytearray(message_bytes), seconds)
        sender.join(PATIENCE_SECONDS)
    return rate


def _read(connection: socket.socket, buffer: bytearray, seconds: float) -> float:
    received, begun = 0, time.perf_counter()
    warm = begun + WARM_UP_SECONDS
    while (now := time.perf_counter()) < warm + seconds:
        got = connection.recv_into(buffer)
        if now < warm:
            begun = now
        else:
            received += got
    return received / (time.perf_counter() - begun) / 1e9


def _send(port: int, message_bytes: int) -> None:
    message = bytes(message_bytes)
    with socket.create_connection(("localhost", port)) as connection:
        try:
            while True:
                connection.sendall(message)
        except (ConnectionError, OSError):
            return  # the reader has seen enough


def grpc_rate(message_bytes: int, seconds: float = SECONDS) -> float:
    """GB/s through one stream of messages of bytes that nobody looks at, over our channels and with our allocator."""
    return _streamed([_Constant(message_bytes)], len, seconds)


def feeding_rate(table: Table, rows: int, pushers: int = 1, seconds: float = SECONDS) -> float:
    """GB/s through such streams where each does the least that feeding asks: no order, header, credit, ledger.

    Rows of a table, (n, size), are gathered at random into each message, and copied as float32 where they arrive; bytes
    are scaled. It counts bytes as they travel.
    """
    return _streamed([_Gathered(table, rows)] * pushers, _Landing(table.dtype), seconds)


def _streamed(sources: Sequence[_Source], use: Callable[[bytes], int], seconds: float) -> float:
    keep_freed_memory()
    server, port = serve("localhost", 0, Security(), threads=2 + 2 * len(sources))
    arrived = _Arrivals(use)
    server.add_generic_rpc_handlers((arrived.handler(),))
    server.start()
    pipes = [_spawn.Pipe() for _ in sources]
    ends = zip(sources, pipes, strict=True)
    senders = [_spawn.Process(target=_push, args=(port, source, theirs), daemon=True) for source, (_, theirs) in ends]
    for sender in senders:
        sender.start()
    try:
        return arrived.rate(len(senders), seconds)
    finally:
        for (mine, _), sender in zip(pipes, senders, strict=True):
            mine.send(None)
            sender.join(PATIENCE_SECONDS)
        server.stop(grace=None).wait(PATIENCE_SECONDS)


class _Arrivals:
    """Counts the bytes of all pushes. use: what is made of a message; it says how many bytes that were."""

    def __init__(self, use: Callable[[bytes], int]) -> None:
        self._use = use
        self._bytes: dict[int, int] = {}
        self._first = threading.Semaphore(0)

    def handler(self) -> grpc.GenericRpcHandler:
        take: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(
            self._take, request_deserializer=None, response_serializer=None
        )
        service, method = _METHOD.strip("/").split("/")
        return grpc.method_handlers_generic_handler(service, {method: take})

    def rate(self, pushers: int, seconds: float) -> float:
        """GB/s over so many seconds, after the first ones. Raises TimeoutError where nothing comes."""
        for _ in range(pushers):
            if not self._first.acquire(timeout=PATIENCE_SECONDS):
                raise TimeoutError(f"nothing was pushed within {PATIENCE_SECONDS:g} s")
        pause = threading.Event()
        pause.wait(WARM_UP_SECONDS)
        before, begun = sum(self._bytes.values()), time.perf_counter()
        pause.wait(seconds)
        return (sum(self._bytes.values()) - before) / (time.perf_counter() - begun) / 1e9

    def _take(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
        me = threading.get_ident()
        for message in requests:
            size = self._use(message)
            if me not in self._bytes:
                self._first.release()
            self._bytes[me] = self._bytes.get(me, 0) + size
        return b""


class _Landing:
    """Copies what arrives into memory of each thread's own."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._own = threading.local()

    def __call__(self, message: bytes) -> int:
        values = np.frombuffer(message, self._dtype)
        landed = getattr(self._own, "landed", None)
        if landed is None:
            landed = self._own.landed = np.empty(len(values), np.float32)
        np.copyto(landed, values)
        if self._dtype == np.uint8:
            np.multiply(landed, SCALE, out=landed)
        return len(message)


class _Source(Protocol):
    def messages(self) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class _Constant:
    """The same bytes for ever."""

    size: int

    def messages(self) -> Iterator[bytes]:
        message = bytes(self.size)
        while True:
            yield message


@dataclass(frozen=True)
class _Gathered:
    """Rows at random, gathered into messages that are used in turn."""

    table: Table
    rows: int

    def messages(self) -> Iterator[bytes]:
        shape = (self.rows, self.table.shape[1])
        turns = cycle([Envelope(0, self.rows * self.table[0].nbytes) for _ in range(_ENVELOPES)])
        order = np.random.default_rng(1).permutation(len(self.table))[: len(self.table) // self.rows * self.rows]
        while True:
            for rows in order.reshape(-1, self.rows):
                envelope = next(turns)
                out = envelope.payload().view(self.table.dtype).reshape(shape)
                np.take(self.table, rows, axis=0, out=out, mode="clip")
                del out  # the message is not copied then
                yield envelope.message()


def _push(port: int, source: _Source, told: Connection) -> None:
    keep_freed_memory()

    def messages() -> Iterator[bytes]:
        endless = source.messages()
        while not told.poll():
            yield next(endless)

    with connect(f"localhost:{port}", Security()) as channel:
        push: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(
            _METHOD, request_serializer=None, response_deserializer=None
        )
        push(messages(), wait_for_ready=True)
