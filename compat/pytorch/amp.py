"""`cerebras.framework.torch.amp`: loss scaling, which the system does by itself."""

from __future__ import annotations

from typing import Any

from compat.pytorch import loop

_KEYS = ("initial_loss_scale", "steps_per_increase", "min_loss_scale", "max_loss_scale")


class GradScaler:
    """What is said of loss scaling and clipping; a call gives the loss as it is. All arguments go to the system."""

    def __init__(self, loss_scale: Any = None, mixed_precision: bool = True, **settings: Any) -> None:
        given = {key: settings.pop(key) for key in _KEYS if key in settings}
        norm = settings.pop("max_gradient_norm", None)
        if settings:
            raise TypeError(f"GradScaler has no argument {next(iter(settings))!r} here; docs/compatibility.md")
        loop.CURRENT.precision.mixed = bool(mixed_precision)
        loop.CURRENT.precision.scaling = {"loss_scaling_factor": 1.0 if loss_scale is None else loss_scale}
        loop.CURRENT.precision.scaling |= {key: value for key, value in given.items() if value is not None}
        loop.CURRENT.precision.max_gradient_norm = norm or None

    def __call__(self, loss: Any) -> Any:
        """The loss, for `.backward()`; in a loop on the system it holds the system's value."""
        return loop.CURRENT.mark_loss(loss)


def get_init_params() -> dict[str, Any]:
    """What the GradScaler was made with, as far as a gradient clipper asks."""
    precision = loop.CURRENT.precision
    return {**precision.scaling, "max_gradient_norm": precision.max_gradient_norm}


def state_dict() -> dict[str, Any]:
    """Where loss scaling stands, as numbers."""
    return dict(loop.CURRENT.precision.state)


def load_state_dict(state: dict[str, Any]) -> None:
    """Go on from `state_dict()`."""
    loop.CURRENT.precision.state = dict(state)


__all__ = ["GradScaler", "get_init_params", "load_state_dict", "state_dict"]
