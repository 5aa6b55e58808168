"""FC-MNIST fed by a source that takes its time: python -m benchmarks.thinking.run --mode train --params ..."""

from __future__ import annotations

from benchmarks.thinking.data import get_train_dataloader
from clients.fc_mnist.pytorch.model import MNISTModel
from clients.fc_mnist.pytorch.utils import set_defaults
from clients.pytorch import run

if __name__ == "__main__":
    run(MNISTModel, get_train_dataloader, None, set_defaults)
