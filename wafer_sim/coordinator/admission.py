"""What a run must be to be queued at all. Pure, but for the import of pyarrow."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

from wire.errors import InvalidInput
from wire.v1 import run_pb2

MAX_STREAMS = 4096
_DIGEST = re.compile(r"[0-9a-f]{64}")


def require_admissible(spec: run_pb2.RunSpec) -> None:
    """Raises InvalidInput for a spec that no wafer could run; whether its executable exists is not asked here."""
    data = spec.data
    _require(spec.mode != run_pb2.MODE_UNSPECIFIED, "the run has no mode", "spec.mode")
    _require(spec.fabric != run_pb2.FABRIC_UNSPECIFIED, "the run has no fabric", "spec.fabric")
    _require(bool(_DIGEST.fullmatch(spec.executable)), "the executable is not named by 64 hex digits", "executable")
    _require(PurePosixPath(spec.model_dir).is_absolute(), f"{spec.model_dir!r} is no absolute path", "model_dir")
    _require(data.replicas >= 1, "a model needs at least one replica", "data.replicas")
    _require(
        data.streams >= data.replicas,
        f"{data.streams} streams cannot feed {data.replicas} replicas",
        "data.streams",
        f"at least {data.replicas} streams are needed for a model with {data.replicas} replicas",
    )
    _require(data.streams <= MAX_STREAMS, f"{data.streams} streams are more than {MAX_STREAMS}", "data.streams")
    _require(data.batch_size >= 1, "a step needs at least one sample", "data.batch_size")
    _require(
        data.batch_size % data.replicas == 0,
        f"a batch of {data.batch_size} samples cannot be split evenly over {data.replicas} replicas",
        "data.batch_size",
        "choose a batch size that is a multiple of the number of replicas",
    )
    _require_object(data.recipe, "data.recipe")
    _require_object(spec.optimizer, "optimizer")
    _require_element_spec(data.element_spec)


def _require(holds: bool, what: str, where: str, fix: str = "") -> None:
    if not holds:
        raise InvalidInput(what, where=where, fix=fix)


def _require_object(text: str, where: str) -> None:
    """Empty, or a JSON object."""
    if not text:
        return
    try:
        _require(isinstance(json.loads(text), dict), "this is JSON, but no object", where)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"this is no JSON: {error}", where=where) from error


def _require_element_spec(data: bytes) -> None:
    # pyarrow costs a tenth of a second and more; the service is up before it is needed.
    from wire.schema import CodecError, spec_from_bytes

    try:
        spec = spec_from_bytes(data)
    except CodecError as error:
        raise InvalidInput(str(error), where="data.element_spec") from error
    _require(bool(spec.fields), "an element without fields cannot be trained on", "data.element_spec")
