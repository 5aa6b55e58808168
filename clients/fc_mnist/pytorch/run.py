"""FC-MNIST: python run.py --mode train --params configs/params.yaml [--cs_ip HOST]."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))
from clients.fc_mnist.pytorch.data import get_eval_dataloader, get_train_dataloader
from clients.fc_mnist.pytorch.model import MNISTModel
from clients.fc_mnist.pytorch.utils import set_defaults
from clients.pytorch import run


def main() -> None:
    """Hand the model, its data and its defaults to the runner."""
    run(MNISTModel, get_train_dataloader, get_eval_dataloader, set_defaults)


if __name__ == "__main__":
    main()
