"""wire.v1.Wafer over the hub: the line between the coordinator and the process that it started."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc

from wafer_sim.service.calls import answering
from wafer_sim.service.hub import Hub
from wafer_sim.service.outbox import Outbox
from wire.errors import Fault, InvalidInput
from wire.v1 import run_pb2, run_pb2_grpc


class WaferServicer(run_pb2_grpc.WaferServicer):
    """One call per wafer process: its words come in, orders go out."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def Attach(  # noqa: N802 - gRPC's name
        self, request_iterator: Iterator[run_pb2.WaferEvent], context: grpc.ServicerContext
    ) -> Iterator[run_pb2.WaferOrder]:
        """The orders to a wafer process, until its words end."""
        with answering(context):
            first = next(request_iterator, run_pb2.WaferEvent())
            if not first.HasField("attached"):
                raise InvalidInput("the first word of a wafer process says which run it serves, and where")
            box = self._hub.attach(first.attached)
            listener = threading.Thread(
                target=self._listen, args=(request_iterator, first.attached, box), name="wafer line", daemon=True
            )
            listener.start()
            yield from box

    def _listen(
        self,
        words: Iterator[run_pb2.WaferEvent],
        attached: run_pb2.Attached,
        box: Outbox[run_pb2.WaferOrder],
    ) -> None:
        fault: Fault | None = None
        try:
            for word in words:
                self._hub.said(attached.run_id, attached.incarnation, word.run)
        except Fault as error:
            fault = error
        except grpc.RpcError:
            # The line broke; the exit of the process says why.
            pass
        finally:
            self._hub.detached(attached.run_id, attached.incarnation)
            box.close(fault)
