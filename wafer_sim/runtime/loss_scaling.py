"""Loss scaling: by what the loss is multiplied before gradients are taken, as a pure state machine.

float16 gradients of a small loss are lost below 6e-8, so the loss is scaled up and the gradients, in float32, are
scaled down again before the optimizer sees them. A scale that is too large makes them infinite: such a step is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.runtime.protocol import Scalar

GROWTH, BACK_OFF = 2.0, 0.5

_SCALE, _GOOD, _SKIPPED = "loss_scale", "loss_scale_good_steps", "skipped_steps"


@dataclass(frozen=True, slots=True)
class LossScale:
    """Where loss scaling stands. scale: of the next step. good_steps: since the scale last changed; skipped: in all."""

    scale: float
    good_steps: int = 0
    skipped: int = 0

    def scalars(self) -> dict[str, Scalar]:
        """It as a checkpoint keeps it."""
        return {_SCALE: self.scale, _GOOD: self.good_steps, _SKIPPED: self.skipped}


@dataclass(frozen=True, slots=True)
class LossScaling:
    """How a loss is scaled. Static: by `initial`, always. Dynamic: twice as much after `every` good steps.

    A bad step halves a dynamic scale. least, most: bounds of a dynamic scale.
    """

    dynamic: bool
    initial: float
    every: int
    least: float
    most: float

    @classmethod
    def of(cls, spec: OptimizerSpec) -> LossScaling | None:
        """The scaling that a spec asks for; None where the loss is left as it is (`loss_scaling_factor: 1.0`)."""
        factor = spec.loss_scaling_factor
        if factor == 1.0:
            return None
        least, most = spec.min_loss_scale, spec.max_loss_scale
        if factor == "dynamic":
            return cls(True, min(max(spec.initial_loss_scale, least), most), spec.steps_per_increase, least, most)
        return cls(False, factor, spec.steps_per_increase, least, most)

    def begin(self, scalars: Mapping[str, Scalar] | None = None) -> LossScale:
        """The first state, or the one to go on from: `scalars` of a checkpoint, in which it may be missing."""
        kept = scalars or {}
        skipped = int(kept.get(_SKIPPED, 0))
        if not self.dynamic or _SCALE not in kept:
            return LossScale(self.initial, 0, skipped)
        return LossScale(self._bounded(float(kept[_SCALE])), int(kept.get(_GOOD, 0)), skipped)

    def after(self, state: LossScale, overflow: bool) -> LossScale:
        """The state after a step. overflow: a gradient of it was infinite or no number, so it was skipped."""
        if overflow:
            scale = self._bounded(state.scale * BACK_OFF) if self.dynamic else state.scale
            return LossScale(scale, 0, state.skipped + 1)
        if not self.dynamic:
            return state
        if state.good_steps + 1 < self.every:
            return LossScale(state.scale, state.good_steps + 1, state.skipped)
        return LossScale(self._bounded(state.scale * GROWTH), 0, state.skipped)

    def _bounded(self, scale: float) -> float:
        return min(max(scale, self.least), self.most) if math.isfinite(scale) else self.initial
