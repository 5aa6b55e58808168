"""Name the shape in a drawing: python run.py --mode train --params configs/params.yaml [--cs_ip HOST]."""

from data import input_fn
from model import model_fn

from clients.tensorflow import run

if __name__ == "__main__":
    run(model_fn, input_fn, input_fn)
