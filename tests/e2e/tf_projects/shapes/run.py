"""Name the shape in a drawing: python run.py --mode train --params configs/params.yaml [--cs_ip HOST]."""

from model import model_fn

from clients.tensorflow import run
from data import input_fn

if __name__ == "__main__":
    run(model_fn, input_fn, input_fn)
