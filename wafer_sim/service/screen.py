"""`wafer_sim status` and `wafer_sim cancel`: a coordinator seen and steered by people and programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import grpc
from google.protobuf.json_format import MessageToJson
from rich.console import Console, Group, RenderableType
from rich.table import Table

from wafer_sim.service.seam_screen import conclusion, seam_table, table_of
from wire.channel import Security, address_of, connect
from wire.status import raised
from wire.v1 import coordinator_pb2, coordinator_pb2_grpc, run_pb2, run_pb2_grpc

_ANSWER_SECONDS = 5.0
_OF_A_JOB = ("job", "mode", "state", "step", "samples/s", "AU", "stall", "model_dir")
_MODES = {run_pb2.MODE_TRAIN: "train", run_pb2.MODE_EVAL: "eval"}


def show(coordinator: str, as_json: bool) -> None:
    """Write the state of the coordinator at an address to stdout. Raises Unreachable, Refused, InvalidInput."""
    reply = ask(address_of(coordinator))
    if as_json:
        sys.stdout.write(json_of(reply) + "\n")
    else:
        Console().print(screen(reply))


def ask(address: str) -> coordinator_pb2.StatusReply:
    """What the coordinator at "host:port" says of itself."""
    with connect(address, Security.from_environment()) as channel:
        stub = coordinator_pb2_grpc.CoordinatorStub(channel)
        try:
            reply: coordinator_pb2.StatusReply = stub.Status(coordinator_pb2.StatusRequest(), timeout=_ANSWER_SECONDS)
        except grpc.RpcError as error:
            raise raised(error, address) from error
    return reply


def json_of(reply: coordinator_pb2.StatusReply) -> str:
    """A status as JSON, with every field that it has."""
    return MessageToJson(reply, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def cancel_run(coordinator: str, run_id: str) -> None:
    """Ask the coordinator to stop a run. Raises NotFound for one that it does not know, Unreachable, Refused."""
    address = address_of(coordinator)
    with connect(address, Security.from_environment()) as channel:
        try:
            run_pb2_grpc.RunsStub(channel).Cancel(run_pb2.CancelRequest(run_id=run_id), timeout=_ANSWER_SECONDS)
        except grpc.RpcError as error:
            raise raised(error, address) from error
    sys.stdout.write(f"{run_id} stops after the step in hand\n")


def screen(reply: coordinator_pb2.StatusReply) -> RenderableType:
    """Jobs, then workers, then the streams, seams and verdict of the job that has the wafer."""
    return Group(*_parts(reply))


def _parts(reply: coordinator_pb2.StatusReply) -> Iterator[RenderableType]:
    yield _runs(reply) if reply.runs else "no job yet"
    yield _workers(reply) if reply.workers else "no workers"
    for run in reply.runs:
        if run.phase and run.state in ("starting", "running"):
            yield f"{run.run_id}: {run.phase}"
        if run.problem.what:
            yield f"{run.run_id} failed: {run.problem.what}"
        if run.state == "running":
            yield _streams(run, reply)
            yield seam_table(run.seams) if run.seams else "no seam was reported yet"
            yield f"{run.run_id}: {conclusion(run)}"


def _runs(reply: coordinator_pb2.StatusReply) -> Table:
    table = table_of("jobs", *_OF_A_JOB, folded=("model_dir",))
    for run in reply.runs:
        at = run.progress
        state = f"queued, {run.place} ahead" if run.state == "queued" else run.state
        numbers = ("-", "-", "-", "-")
        if run.HasField("progress"):
            step = f"{at.step}/{at.max_steps}" if at.max_steps else f"{at.step}"
            rate = at.recent_samples_per_second if run.state == "running" else at.samples_per_second
            numbers = (step, f"{rate:,.0f}", f"{at.utilisation:.2f}", f"{at.stall_seconds:.1f} s")
        table.add_row(run.run_id, _MODES.get(run.spec.mode, "?"), state, *numbers, run.spec.model_dir)
    return table


def _workers(reply: coordinator_pb2.StatusReply) -> Table:
    table = table_of("workers", "worker", "streams", "only for", "late with", "silent", folded=("streams",))
    for worker in reply.workers:
        streams = ", ".join(map(str, worker.streams)) or "none"
        only = f"stream {worker.shard}" if worker.HasField("shard") else ""
        table.add_row(worker.name, streams, only, ", ".join(map(str, worker.late)), f"{worker.silent_seconds:.1f} s")
    return table


def _streams(run: coordinator_pb2.RunStatus, reply: coordinator_pb2.StatusReply) -> Table:
    data = run.spec.data
    table = table_of(
        f"streams of {run.run_id}, {data.replicas} replica(s)", "stream", "replica", "host", "next", "samples"
    )
    hosts = {stream: worker.name for worker in reply.workers for stream in worker.streams}
    positions = {position.next.stream: position for position in run.progress.streams}
    for stream in range(data.streams):
        where, samples = "-", "-"
        if stream in positions:
            at = positions[stream]
            where, samples = f"epoch {at.next.epoch} batch {at.next.sequence}", f"{at.samples:,}"
        table.add_row(str(stream), str(stream % data.replicas), hosts.get(stream, "nobody"), where, samples)
    return table
