"""One run of a layered plan, which may pause between two layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from torch import Tensor

from wafer_sim.runtime.fetching import Pass
from wafer_sim.runtime.layered_plan import LayeredPlan
from wafer_sim.runtime.layers import Layer


class Walk:
    """Runs the layers of a plan in order; before each what it needs comes, after it that may go.

    slots: of the plan, begun. fetched: a pass over its layers.
    """

    def __init__(self, plan: LayeredPlan, slots: list[Any], fetched: Pass) -> None:
        self.plan = plan
        self._slots = slots
        self._fetched = fetched
        self._at = 0
        self._wanted = Counter(plan.wanted_slots)

    def go(self, until: int, then: Callable[[Layer], None] = lambda _: None) -> None:
        """Run up to layer `until`, not included. then: is called after each. Raises Failed, and what `then` raises."""
        try:
            for layer in self.plan.layers[self._at : until]:
                self._fetched.enter()
                self.plan.go(self._slots, self.plan.steps_of(layer))
                then(layer)
                self._fetched.leave()
                self._at += 1
        except BaseException:
            self.close()
            raise
        if self._at == len(self.plan.layers):
            self.close()

    def finish(self, then: Callable[[Layer], None] = lambda _: None) -> None:
        """Run all that is left."""
        self.go(len(self.plan.layers), then)

    def loss(self) -> float:
        """The loss, once `plan.known` layers are done."""
        return float(self._slots[self.plan.loss])

    def take(self, parameter: int) -> Tensor:
        """The gradient of a parameter that is complete: the caller's own, and no longer here."""
        slot = self.plan.gradients[parameter]
        gradient: Tensor = self._slots[slot]
        self._wanted[slot] -= 1
        if not self._wanted[slot]:
            self._slots[slot] = None
        return gradient.clone() if parameter in self.plan.shared else gradient

    def results(self) -> list[Any]:
        """The wanted outputs that are still here, each with memory of its own; None for one that was taken."""
        found = zip(self.plan.results(self._slots), self.plan.owned, strict=True)
        return [value if mine or value is None else value.clone() for value, mine in found]

    def close(self) -> None:
        """Let go of everything outside. May be called again."""
        self._fetched.close()
