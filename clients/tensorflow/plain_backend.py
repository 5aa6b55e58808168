"""An estimator's work in this process, on the CPU or on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clients.tensorflow import plain_loop, plain_reading
from clients.tensorflow.backends import Compilation, Evaluation, Prediction, Setup, Training
from wire.errors import Refused


class PlainBackend:
    """Plain TensorFlow: a graph and a session."""

    def compile(self, setup: Setup, asked: Compilation) -> None:
        """Raises Refused: there is nothing to compile for."""
        raise Refused("only the system needs an executable", where=str(setup.model_dir), fix="train at once")

    def train(self, setup: Setup, asked: Training) -> None:
        plain_loop.train(setup, asked)

    def evaluate(self, setup: Setup, asked: Evaluation) -> dict[str, Any]:
        return plain_reading.evaluate(setup, asked)

    def predict(self, setup: Setup, asked: Prediction) -> Iterator[Any]:
        return plain_reading.predict(setup, asked)
