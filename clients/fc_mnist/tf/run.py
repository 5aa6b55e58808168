"""FC-MNIST: python run.py --mode train [--params configs/params.yaml] [--cs_ip HOST]."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))
from clients.fc_mnist.tf.data import eval_input_fn, train_input_fn
from clients.fc_mnist.tf.model import model_fn
from clients.fc_mnist.tf.utils import set_defaults
from clients.tensorflow import run


def main() -> None:
    """Hand the model, its data and its defaults to the runner."""
    run(model_fn, train_input_fn, eval_input_fn, default_params_fn=set_defaults)


if __name__ == "__main__":
    main()
