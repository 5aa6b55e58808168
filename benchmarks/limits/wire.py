"""Limits of a connection between two processes of this machine: a socket, and a gRPC stream of bytes. One way."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import grpc

from wire.allocator import keep_freed_memory
from wire.channel import Security, connect, serve

SECONDS = 1.0
WARM_UP_SECONDS = 0.3
PATIENCE_SECONDS = 30.0
_METHOD = "/bare.Bytes/Push"
_spawn = multiprocessing.get_context("spawn")


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
    keep_freed_memory()
    server, port = serve("localhost", 0, Security(), threads=4)
    arrived = _Arrivals()
    server.add_generic_rpc_handlers((arrived.handler(),))
    server.start()
    mine, theirs = _spawn.Pipe()
    sender = _spawn.Process(target=_push, args=(port, message_bytes, theirs), daemon=True)
    sender.start()
    try:
        return arrived.rate(seconds)
    finally:
        mine.send(None)
        sender.join(PATIENCE_SECONDS)
        server.stop(grace=None).wait(PATIENCE_SECONDS)


class _Arrivals:
    """Counts the bytes of one push."""

    def __init__(self) -> None:
        self._bytes = 0
        self._first = threading.Event()

    def handler(self) -> grpc.GenericRpcHandler:
        take: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(
            self._take, request_deserializer=None, response_serializer=None
        )
        service, method = _METHOD.strip("/").split("/")
        return grpc.method_handlers_generic_handler(service, {method: take})

    def rate(self, seconds: float) -> float:
        """GB/s over so many seconds, after the first ones. Raises TimeoutError where nothing comes."""
        if not self._first.wait(PATIENCE_SECONDS):
            raise TimeoutError(f"nothing was pushed within {PATIENCE_SECONDS:g} s")
        pause = threading.Event()
        pause.wait(WARM_UP_SECONDS)
        before, begun = self._bytes, time.perf_counter()
        pause.wait(seconds)
        return (self._bytes - before) / (time.perf_counter() - begun) / 1e9

    def _take(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
        for message in requests:
            self._bytes += len(message)
            self._first.set()
        return b""


def _push(port: int, message_bytes: int, told: Connection) -> None:
    keep_freed_memory()
    message = bytes(message_bytes)

    def messages() -> Iterator[bytes]:
        while not told.poll():
            yield message

    with connect(f"localhost:{port}", Security()) as channel:
        push: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(
            _METHOD, request_serializer=None, response_deserializer=None
        )
        push(messages(), wait_for_ready=True)
