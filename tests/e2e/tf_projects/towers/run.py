"""Who likes what: python run.py --mode train --params configs/params.yaml [--cs_ip HOST]."""

from model import model_fn

from clients.tensorflow import run
from data import eval_input_fn, train_input_fn

if __name__ == "__main__":
    run(model_fn, train_input_fn, eval_input_fn)
