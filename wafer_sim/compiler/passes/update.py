"""The update of a PyTorch program, which is no graph but an OptimizerSpec, as calls: one for each trained weight."""

from __future__ import annotations

import math
from dataclasses import replace

from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.graph.kernel_graph import UPDATE, Call, Cost, KernelGraph, Ref, Spec
from wafer_sim.graph.validity import UPDATED
from wafer_sim.kernels.registry import REGISTRY

_STATES = {
    "sgd": 0,
    "adam": 2,
    "adamw": 2,
    "adamax": 2,
    "adadelta": 2,
    "adagrad": 1,
    "asgd": 1,
    "lamb": 2,
    "nadam": 2,
    "radam": 2,
    "rmsprop": 1,
    "rprop": 2,
}
"""How many tensors like the weight an optimizer keeps; adafactor keeps rows and columns."""

_CLIPPING, _DECAY = 2, 2


def with_update(graph: KernelGraph, optimizer: OptimizerSpec | None) -> KernelGraph:
    """The graph with its update. One that has an update of its own, or no gradients, stays as it is."""
    if optimizer is None or any(call.phase == UPDATE for call in graph.calls):
        return replace(graph, stage=UPDATED)
    parameters, values, calls = dict(graph.parameters), dict(graph.values), list(graph.calls)
    for name, trained in graph.parameters.items():
        gradient = graph.outputs.get(f"grad/{name[1:]}")
        if not trained or gradient is None:
            continue
        slots = {f"{name}/{optimizer.optimizer_type}/{i}": s for i, s in enumerate(states(optimizer, values[name]))}
        parameters |= dict.fromkeys(slots, False)
        values |= slots
        calls.append(_call(optimizer, name, gradient, slots, values))
    return replace(graph, stage=UPDATED, parameters=parameters, values=values, calls=tuple(calls))


def states(optimizer: OptimizerSpec, weight: Spec) -> list[Spec]:
    """What the optimizer keeps for a weight, in float32."""
    hyper = optimizer.hyper
    if optimizer.optimizer_type == "adafactor":
        rows, columns = weight.shape[:-1], (*weight.shape[:-2], *weight.shape[-1:])
        return [Spec(shape, "float32") for shape in ((rows, columns) if len(weight.shape) > 1 else (weight.shape,))]
    more = sum(bool(hyper.get(key)) for key in ("momentum", "amsgrad", "centered"))
    return [Spec(weight.shape, "float32")] * (_STATES[optimizer.optimizer_type] + more)


def _call(optimizer: OptimizerSpec, name: str, gradient: str, slots: dict[str, Spec], values: dict[str, Spec]) -> Call:
    kernel: str = optimizer.optimizer_type
    if kernel == "sgd" and optimizer.hyper.get("momentum"):
        kernel = "momentum"
    clipped = bool(optimizer.max_gradient_norm or optimizer.max_gradient_value)
    each = REGISTRY[kernel].operations + _CLIPPING * clipped + _DECAY * (optimizer.weight_decay_rate > 0)
    written = [name, *slots]
    read = [name, gradient, *slots]
    size = {n: values[n].bytes for n in read}
    cost = Cost(0, each * math.prod(values[name].shape), sum(size.values()), sum(size[n] for n in written))
    return Call(kernel, tuple(Ref(n) for n in read), (), {}, UPDATE, "", cost)
