"""Kernels that come as several calls, found in the forward pass: norms written out, and losses."""

from __future__ import annotations

from collections.abc import Sequence

from wafer_sim.graph.kernel_graph import PARAMETER, Call, KernelGraph
from wafer_sim.kernels.registry import REGISTRY

_NORM = ("elementwise", "reduction")
_LOSS = ("elementwise", "comparison", "reduction", "indexing", "softmax", "loss", "cast", "view", "random")
_MEANS = ("mean", "sum", "variance")


def norm_parts(forward: Sequence[Call]) -> dict[int, tuple[str, str]]:
    """id of a call -> (kernel, name of the norm it is part of).

    A norm is a value times the reciprocal root of its own mean: it begins with what only that root needs.
    """
    makers = {name: call for call in forward for name in call.made}
    users = _users(forward)
    found: dict[int, tuple[str, str]] = {}
    for root in forward:
        if root.kernel != "rsqrt" or not root.made:
            continue
        parts = _before(root, makers, users)
        if any(call.kernel in _MEANS for call in parts):
            centred = any(call.kernel in ("sub", "squared_difference", "variance") for call in parts)
            scaled = [c for c in users.get(root.made[0], ()) if c.kernel == "mul"]
            for call in (*parts, root, *scaled):
                found[id(call)] = ("layer_norm" if centred else "rms_norm", root.made[0])
    return found


def _before(root: Call, makers: dict[str, Call], users: dict[str, list[Call]]) -> list[Call]:
    """What only the root needs: calls all of whose users are among them, without weights."""
    parts = [root]
    inside = {id(root)}
    for call in parts:
        for name in call.inputs:
            maker = makers.get(name)
            if maker is None or id(maker) in inside or REGISTRY[maker.kernel].family not in _NORM:
                continue
            alone = all(id(user) in inside for made in maker.made for user in users.get(made, ()))
            if alone and not any(n.startswith(PARAMETER) for n in maker.inputs):
                parts.append(maker)
                inside.add(id(maker))
    return parts[1:]


def loss_parts(forward: Sequence[Call], graph: KernelGraph) -> set[int]:
    """ids of the calls that are the loss, or a metric: all that only they need, up to a weight or a kernel."""
    ends = {value for name, value in graph.outputs.items() if not name.startswith(("grad/", "buffer/"))}
    users = _users(forward)
    found: set[int] = set()
    for call in reversed(forward):
        read = [user for name in call.made for user in users.get(name, ())]
        if not read and not ends.intersection(call.made):
            continue
        plain = REGISTRY[call.kernel].family in _LOSS and not any(n.startswith(PARAMETER) for n in call.inputs)
        if plain and all(id(user) in found for user in read):
            found.add(id(call))
    return found


def _users(calls: Sequence[Call]) -> dict[str, list[Call]]:
    users: dict[str, list[Call]] = {}
    for call in calls:
        for name in call.inputs:
            users.setdefault(name, []).append(call)
    return users
