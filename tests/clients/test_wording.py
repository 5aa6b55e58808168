"""The log lines of a run, in the form that CSoft's had."""

from __future__ import annotations

from clients.tensorflow.wording import TensorflowWording
from clients.wording import PYTORCH
from wire.v1 import run_pb2

PROGRESS = run_pb2.Progress(step=100, loss=0.2678, recent_samples_per_second=183905.28, samples_per_second=150000.0)


def test_a_pytorch_run_tells_loss_and_rates() -> None:
    """Samples a second, of the last steps and of the whole run."""
    said = PYTORCH.progress("train", PROGRESS, 256)
    assert said == (
        "| Train Device=wafer:0, Step=100, Loss=0.26780, Rate=183905.28 samples/sec, GlobalRate=150000.00 samples/sec"
    )


def test_a_tensorflow_run_tells_steps_a_second() -> None:
    """As in `INFO:tensorflow:global step 100: loss = 0.2678 (718.38 steps/sec)`."""
    assert TensorflowWording().progress("train", PROGRESS, 256) == "global step 100: loss = 0.2678 (718.38 steps/sec)"
