"""`cerebras.framework.torch.core.cb_model`, which code of that time calls cm."""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree

from clients.meeting import meet
from clients.working import here, is_chief
from compat.pytorch import cbtorch, jobs, loop
from compat.pytorch.files import write_whole
from compat.pytorch.rates import RateTracker
from wire.errors import Refused

log = logging.getLogger("clients")

DEVICE = "xla:0"


def use_cs() -> bool:
    """Whether this process works for the system: it runs, compiles or validates there."""
    return cbtorch.ENVIRONMENT.initialized


def is_wse_device() -> bool:
    """Whether there is a system, rather than a compilation only."""
    return use_cs() and bool(cbtorch.ENVIRONMENT.cs_ip)


def is_sync_mode() -> bool:
    """Whether every task is its own chief: never."""
    return False


def device() -> torch.device:
    """Where the host's tensors are."""
    return torch.device("cpu")


def is_master_ordinal() -> bool:
    """Whether this is the chief."""
    return jobs.WORKS_FOR not in os.environ and is_chief()


def is_streamer() -> bool:
    """Whether this process streams."""
    return not is_master_ordinal()


def is_receiver() -> bool:
    """Whether this process hears what comes off the system."""
    return is_master_ordinal()


def get_ordinal() -> int:
    """Which task this is; the chief is 0."""
    if jobs.WORKS_FOR in os.environ:
        return 1
    return 0 if is_chief() else here().rank


def get_streaming_rank() -> int:
    """0 for every process: streams are cut by the service, and any worker may host any of them."""
    return 0


def num_tasks() -> int:
    """As many as the launcher started; 1 where nobody says."""
    return here().tasks or 1


def num_streamers() -> int:
    """1 for every process: a loader that is not cut by the user is cut by the service."""
    return 1


def num_receivers() -> int:
    """How many hear what comes off the system: the chief."""
    return 1


def rendezvous(tag: str, payload: str = "", replicas: Any = None) -> list[str]:
    """Wait until all tasks have come here; what each of them gave, in their order.

    Where there is no system, or one task, there is nobody to wait for. Nor is there from the session on: a worker
    never comes out of its own, and one that a chief starts begins there. Where a launcher does not say how many tasks
    there are, or of which start, nobody waits: it is said. Raises Unreachable where a task does not come.
    """
    place, system = here(), cbtorch.ENVIRONMENT.cs_ip
    alone = place.tasks == 1 or jobs.WORKS_FOR in os.environ or cbtorch.STATE.session is not None
    if not system or alone:
        return [payload] if payload else []
    if not place.session or place.tasks is None:
        log.warning("rendezvous %r does not wait: %s does not say which tasks there are", tag, place.said_by)
        return [payload] if payload else []
    return meet(system, place, tag, payload)


def mesh_reduce(tag: str, data: Any, reduce_fn: Callable[[list[Any]], Any]) -> Any:
    """The reduction over the only one that receives."""
    return reduce_fn([data])


def step_closure(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that runs on the host, with values of a step that is made."""

    @functools.wraps(function)
    def closed(*args: Any, **kwargs: Any) -> Any:
        return loop.CURRENT.closed(function, args, kwargs)

    return closed


def run_step_closures() -> None:
    """Nothing: they run where they are called."""


def mark_step() -> None:
    """Nothing: a step ends where the loop takes its next batch."""


def set_run_config(total_steps: int, checkpoint_steps: int, fetch_steps: int) -> None:
    """How many steps the loop will make, and after how many each state and each loss come off the system."""
    current = loop.CURRENT
    current.total_steps, current.checkpoint_steps, current.fetch_steps = total_steps, checkpoint_steps, fetch_steps


def get_run_step() -> int:
    """Steps that were made, the one in hand among them."""
    return loop.CURRENT.run_step


def set_target_num_replicas(count: int) -> None:
    """Copies of the model on the wafer; -1 lets the system choose."""
    loop.CURRENT.replicas = count


def to_cpu(tensors: Any) -> Any:
    """The same structure with its tensors on the CPU, without their history."""
    return _pytree.tree_map(lambda t: t.detach().cpu() if isinstance(t, torch.Tensor) else t, tensors)


def save(
    state: Any,
    path: str,
    master_only: bool = True,
    post_transfer_callback: Callable[[Any], Any] | None = None,
) -> None:
    """Write a state for `torch.load`. Raises Refused at a step of a run whose state does not come off the system."""
    driver = loop.CURRENT.driver
    if driver is not None and not getattr(driver, "is_settled", True) and loop.CURRENT.run_step:
        what = f"the state of step {loop.CURRENT.run_step} does not come off the system"
        raise Refused(what, where="cm.save", fix="save at multiples of checkpoint_steps, in a step closure")
    if master_only and not is_master_ordinal():
        return
    if driver is not None and getattr(driver, "is_taken", False):
        _leave_alone(path)
        return
    held = to_cpu(state)
    write_whole(post_transfer_callback(held) if post_transfer_callback is not None else held, path)


def _leave_alone(path: str) -> None:
    step = loop.CURRENT.run_step
    if Path(path).exists():
        log.info("%s is left as it is: the task that was chief before has saved step %d", path, step)
    else:
        words = "%s is not there, and cannot be written: the task that was chief before had the state of step %d"
        log.warning(words, path, step)


def print_update(
    device: Any, step: int, loss: float | None = None, mode: str = "train", summary_writer: Any = None, **_: Any
) -> None:
    """One line about a step, with the rates that the system has measured; also to the summary writer."""
    run = cbtorch.STATE.session.run if cbtorch.STATE.session is not None else None
    progress = run.progress if run is not None else None
    rate, global_rate = (progress.recent_samples_per_second, progress.samples_per_second) if progress else (0.0, 0.0)
    said = f"Loss={loss:.5f}, " if loss is not None and math.isfinite(loss) else ""
    line = "| %s Device=%s, Step=%d, %sRate=%.2f samples/sec, GlobalRate=%.2f samples/sec"
    log.info(line, mode.capitalize(), DEVICE, step, said, rate, global_rate)
    write_to_summary(summary_writer, step, {"rate": rate, "global_rate": global_rate})


def write_to_summary(
    writer: Any, global_step: int | None = None, dict_to_write: dict[str, Any] | None = None, **_: Any
) -> None:
    """Scalars for a TensorBoard writer, where there is one."""
    for name, value in (dict_to_write or {}).items():
        if writer is not None:
            writer.add_scalar(name, value, global_step)


def print_metrics_report() -> None:
    """Nothing of its own: the end of a run says all of it."""


def metrics_counter_value(name: str) -> int | None:
    """A counter of the run: compile time in ms, programming time in ns, the estimated samples/s; None for others."""
    outcome = cbtorch.STATE.session.outcome() if cbtorch.STATE.session is not None else None
    if outcome is None:
        return None
    estimate = outcome.estimate.samples_per_second if outcome.estimate is not None else 0.0
    counters = {
        "CerebrasCompileTimeMs": outcome.compile_seconds * 1e3,
        "CerebrasProgrammingTimeNs": outcome.programming_seconds * 1e9,
        "CerebrasSystemEstSamples": estimate,
    }
    return round(counters[name]) if name in counters else None


__all__ = [
    "RateTracker",
    "device",
    "get_ordinal",
    "get_run_step",
    "get_streaming_rank",
    "is_master_ordinal",
    "is_receiver",
    "is_streamer",
    "is_sync_mode",
    "is_wse_device",
    "mark_step",
    "mesh_reduce",
    "metrics_counter_value",
    "num_receivers",
    "num_streamers",
    "num_tasks",
    "print_metrics_report",
    "print_update",
    "rendezvous",
    "run_step_closures",
    "save",
    "set_run_config",
    "set_target_num_replicas",
    "step_closure",
    "to_cpu",
    "use_cs",
    "write_to_summary",
]
