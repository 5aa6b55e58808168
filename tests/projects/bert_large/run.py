"""BERT-Large: python run.py --params configs/params.yaml --validate_only | --compile_only | --cs_ip HOST."""

from model import BertModel

from clients.pytorch import run
from data import get_train_dataloader

if __name__ == "__main__":
    run(BertModel, get_train_dataloader)
