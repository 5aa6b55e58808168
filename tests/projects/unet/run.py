"""A U-Net: python run.py --params configs/params.yaml --validate_only | --compile_only | --cs_ip HOST."""

from model import UNetModel

from clients.pytorch import run
from data import get_train_dataloader

if __name__ == "__main__":
    run(UNetModel, get_train_dataloader)
