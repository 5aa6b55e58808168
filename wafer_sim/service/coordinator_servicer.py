"""wire.v1.Coordinator over the hub."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from wafer_sim.service.calls import answering
from wafer_sim.service.hub import Hub
from wire.errors import InvalidInput
from wire.v1 import coordinator_pb2 as pb
from wire.v1 import coordinator_pb2_grpc

_LONGEST_NAME = 200


class CoordinatorServicer(coordinator_pb2_grpc.CoordinatorServicer):
    """Thin: every method is one call of the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def Register(self, request: pb.RegisterRequest, context: grpc.ServicerContext) -> pb.RegisterReply:  # noqa: N802 - gRPC's name
        with answering(context):
            if len(request.name) > _LONGEST_NAME:
                raise InvalidInput(f"a worker's name has at most {_LONGEST_NAME} characters")
            registered = self._hub.register(request)
        return pb.RegisterReply(
            worker_id=registered.worker_id,
            incarnation=registered.incarnation,
            heartbeat_seconds=self._hub.limits.heartbeat_seconds,
            lost_after_seconds=self._hub.limits.lost_after_seconds,
        )

    def Watch(self, request: pb.WatchRequest, context: grpc.ServicerContext) -> Iterator[pb.Assignment]:  # noqa: N802 - gRPC's name
        with answering(context):
            box = self._hub.watch(request.worker_id, request.incarnation)

            def gone() -> None:
                box.close()
                self._hub.lost(request.worker_id, request.incarnation)

            if not context.add_callback(gone):
                gone()
            yield from box

    def Heartbeat(self, request: pb.HeartbeatRequest, context: grpc.ServicerContext) -> pb.HeartbeatReply:  # noqa: N802 - gRPC's name
        with answering(context):
            self._hub.beat(request)
        return pb.HeartbeatReply()

    def ReportFailure(  # noqa: N802 - gRPC's name
        self, request: pb.ReportFailureRequest, context: grpc.ServicerContext
    ) -> pb.ReportFailureReply:
        with answering(context):
            self._hub.failed(request)
        return pb.ReportFailureReply()

    def ReportEnd(self, request: pb.ReportEndRequest, context: grpc.ServicerContext) -> pb.ReportEndReply:  # noqa: N802 - gRPC's name
        with answering(context):
            if len(request.name) > _LONGEST_NAME or len(request.session) > _LONGEST_NAME:
                raise InvalidInput(f"a task's name and session have at most {_LONGEST_NAME} characters each")
            self._hub.ended(request)
        return pb.ReportEndReply()

    def Elect(self, request: pb.ElectRequest, context: grpc.ServicerContext) -> pb.ElectReply:  # noqa: N802 - gRPC's name
        with answering(context):
            if not request.job or not request.candidate:
                raise InvalidInput("an election needs a job and a candidate")
            return pb.ElectReply(chief=self._hub.elect(request.job, request.candidate, request.successor))

    def Resign(self, request: pb.ResignRequest, context: grpc.ServicerContext) -> pb.ResignReply:  # noqa: N802 - gRPC's name
        with answering(context):
            self._hub.resign(request.job, request.candidate)
        return pb.ResignReply()

    def Meet(self, request: pb.MeetRequest, context: grpc.ServicerContext) -> pb.MeetReply:  # noqa: N802 - gRPC's name
        with answering(context):
            met = self._hub.meet(request)
        return pb.MeetReply(payloads=met.payloads, missing=met.missing)

    def Status(self, request: pb.StatusRequest, context: grpc.ServicerContext) -> pb.StatusReply:  # noqa: N802 - gRPC's signature
        return self._hub.status()
