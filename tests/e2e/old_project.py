"""A project in the style of CSoft 1.6, written for the test: its own loop over cbtorch, run by csrun_wse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

RUN = """
import argparse
import logging
import sys

import cerebras.framework.torch as cbtorch
import torch
from cerebras.framework.torch import amp
from cerebras.framework.torch.core import cb_model as cm
from cerebras.framework.torch.core import modes
from cerebras.framework.torch.utils import extract_loss

parser = argparse.ArgumentParser()
parser.add_argument("--mode", default="train")
parser.add_argument("--cs_ip")
parser.add_argument("--checkpoint_path")
args = parser.parse_args()
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s: %(message)s")
torch.manual_seed(1)


class Hits:
    total = right = 0

    @cm.step_closure
    def __call__(self, labels, predictions):
        self.total += labels.numel()
        self.right += int((cm.to_cpu(labels) == predictions).sum())


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.last = torch.nn.Linear(8, 16), torch.nn.Linear(16, 4)
        self.hits = Hits()

    def forward(self, inputs, labels):
        logits = self.last(torch.relu(self.hidden(inputs)))
        self.hits(labels.clone(), logits.argmax(-1).int())
        return logits


class Model:
    def __init__(self):
        self.net = cbtorch.module(Net(), None)
        self.loss = torch.nn.CrossEntropyLoss()

    def __call__(self, data):
        inputs, labels = data
        return self.loss(self.net(inputs, labels), labels.long())


def loader():
    labels = torch.arange(256) % 4
    inputs = torch.nn.functional.one_hot(labels, 8).half()
    data = torch.utils.data.TensorDataset(inputs, labels.int())
    return torch.utils.data.DataLoader(data, batch_size=16, shuffle=args.mode == "train", drop_last=True)


@cm.step_closure
def log(loss, step):
    cm.print_update(cm.device(), step, loss.item(), args.mode)


@cm.step_closure
def save(model, optimizer, step):
    state = {"model": model.net.state_dict(), "optimizer": optimizer.state_dict(), "global_step": step}

    def converted(state):
        return {**state, "optimizer": optimizer.convert_state_dict_for_checkpoint(state["optimizer"])}

    cm.save(state, f"checkpoint_{step}.mdl", post_transfer_callback=converted)


cbtorch.initialize(service_workdir=".", cs_ip=args.cs_ip and args.cs_ip + ":9000")
model = Model()
held = torch.load(args.checkpoint_path) if args.checkpoint_path else None
if held:
    model.net.load_state_dict(held["model"])
if args.mode == "train":
    optimizer = cbtorch.optimizer(torch.optim.SGD(model.net.parameters(), lr=0.1, momentum=0.9))
    cbtorch.optim.lr_scheduler.Constant(optimizer, 0.5)
    scaler = amp.GradScaler(loss_scale=1.0, mixed_precision=False)
    data_loader = cbtorch.dataloader(loader())
    with cbtorch.Session(data_loader, modes.TRAIN):
        cm.set_run_config(40, 20, 10)
        step = 0
        while step < 40:
            for data in data_loader:
                optimizer.zero_grad()
                loss = model(data)
                scaler(loss).backward()
                optimizer.step()
                step = cm.get_run_step()
                if step % 10 == 0:
                    log(loss, step)
                if step % 20 == 0:
                    save(model, optimizer, step)
                if step == 40:
                    break
else:
    amp.GradScaler(mixed_precision=False)
    data_loader = cbtorch.dataloader(loader())
    model.net.eval()
    losses = []
    with cbtorch.Session(data_loader, modes.EVAL), torch.no_grad():
        cm.set_run_config(len(data_loader), 0, 1)
        for data in data_loader:
            losses.append(extract_loss(model(data)).item())
    print(f"eval: {sum(losses) / len(losses):.6f} {model.net.hits.right}/{model.net.hits.total}")
"""


def write(folder: Path, changes: Mapping[str, str] | None = None) -> Path:
    """The project's folder, with run.py in it. changes: old text -> new, in this order."""
    text = RUN
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    folder.mkdir()
    (folder / "run.py").write_text(text)
    return folder
