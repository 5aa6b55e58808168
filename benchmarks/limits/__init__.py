"""What this machine can do at all, measured beside what we do: memory, sockets, gRPC, gather and cast, a bare ring."""

from __future__ import annotations

from benchmarks.limits.memory import copy_rate, gather_rate
from benchmarks.limits.ring import ring_rate
from benchmarks.limits.wire import grpc_rate, tcp_rate
from benchmarks.measure import Figure
from benchmarks.peers.task import PIXELS, Task

RUNS = 3
MESSAGE_BYTES = 1 << 20
SAMPLE_BYTES = PIXELS + 4
"""Of MNIST as it travels: uint8 pixels and an int32 label."""


def measure_all(task: Task) -> list[Figure]:
    """Each limit, some runs on end; what moves bytes also as samples of the task."""
    rows = task.read()
    copied = [copy_rate() for _ in range(RUNS)]
    sent = [tcp_rate(MESSAGE_BYTES) for _ in range(RUNS)]
    pushed = [grpc_rate(MESSAGE_BYTES) for _ in range(RUNS)]
    return [
        Figure("limit: memcpy on one core", "GB/s", copied),
        Figure("limit: raw TCP, one connection", "GB/s", sent),
        Figure("limit: raw TCP, uint8 samples", "samples/s", [rate * 1e9 / SAMPLE_BYTES for rate in sent]),
        Figure("limit: a bare gRPC byte stream, 1 MiB messages", "GB/s", pushed),
        Figure("limit: a bare gRPC byte stream, uint8 samples", "samples/s", [p * 1e9 / SAMPLE_BYTES for p in pushed]),
        Figure("limit: gather and cast in memory, one core", "samples/s", [gather_rate(*rows) for _ in range(RUNS)]),
        Figure("limit: a bare shared-memory ring", "samples/s", [ring_rate(rows[0]) for _ in range(RUNS)]),
    ]
