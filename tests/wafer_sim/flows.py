"""A small dataflow program written by hand: y = x @ w, the mean of (y - t)^2, and one step down its slope."""

from __future__ import annotations

from typing import Any

import numpy as np

from wafer_sim.compiler.dataflow import Dataflow, DataGraph, DataNode, Dtype, Shape, Value, Variable
from wafer_sim.compiler.program import EVALUATE, GRADIENTS, Entry, Tensor

FLOAT = Dtype("float32")
INT = Dtype("int32")
TRAIN, EVAL = Entry(GRADIENTS, 4), Entry(EVALUATE, 4)


def constant(name: str, value: Any, dtype: str = "float32") -> DataNode:
    array = np.asarray(value, dtype)
    return DataNode(name, "Const", (), {"dtype": Dtype(dtype), "value": Value(dtype, array.shape, array.tobytes())})


def handle(name: str, shape: tuple[int, ...], dtype: Dtype = FLOAT) -> DataNode:
    return DataNode(name, "VarHandleOp", (), {"dtype": dtype, "shape": Shape(shape), "shared_name": name})


def placeholder(name: str, *shape: int) -> DataNode:
    return DataNode(name, "Placeholder", (), {"dtype": FLOAT, "shape": Shape(shape)})


def forward() -> list[DataNode]:
    reduction = {"T": FLOAT, "Tidx": INT, "keep_dims": False}
    product = {"T": FLOAT, "transpose_a": False, "transpose_b": False}
    return [
        placeholder("x", 4, 3),
        placeholder("t", 4, 1),
        handle("w", (3, 1)),
        DataNode("w/read", "ReadVariableOp", ("w",), {"dtype": FLOAT}),
        DataNode("y", "MatMul", ("x", "w/read"), product, "model.py:3"),
        DataNode("off", "Sub", ("y", "t"), {"T": FLOAT}, "model.py:4"),
        DataNode("square", "Square", ("off",), {"T": FLOAT}, "model.py:4"),
        constant("axes", [0, 1], "int32"),
        DataNode("loss", "Mean", ("square", "axes"), reduction, "model.py:4"),
    ]


def backward(rate: float) -> list[DataNode]:
    product = {"T": FLOAT, "transpose_a": True, "transpose_b": False}
    return [
        constant("half", 0.5),
        DataNode("slope", "Mul", ("off", "half"), {"T": FLOAT}, "model.py:4"),
        DataNode("dw", "MatMul", ("x", "slope"), product, "model.py:3"),
        placeholder("dw/reduced", 3, 1),
        constant("rate", rate),
        DataNode(
            "down",
            "ResourceApplyGradientDescent",
            ("w", "rate", "dw/reduced"),
            {"T": FLOAT, "use_locking": False},
            "model.py:6",
        ),
        handle("global_step", (), Dtype("int64")),
        constant("one", 1, "int64"),
        DataNode(
            "train", "AssignAddVariableOp", ("global_step", "one", "^down"), {"dtype": Dtype("int64")}, "model.py:6"
        ),
    ]


def graph(*more: DataNode, rate: float = 0.1, **fetches: str) -> DataGraph:
    """The training graph. more: nodes at its end; fetches: what else is asked for."""
    ends = {"loss": "loss", "grad/w": "dw", "train": "^train", **fetches}
    feeds = {"input/x": "x", "input/t": "t", "grad/w": "dw/reduced"}
    return DataGraph((*forward(), *backward(rate), *more), feeds, ends)


def program(training: DataGraph | None = None) -> Dataflow:
    """The whole program, with another training graph if one is given."""
    parameters = (
        Variable(Tensor("w", (3, 1), "float32"), trained=True),
        Variable(Tensor("global_step", (), "int64"), fill=0.0),
    )
    inputs = (Tensor("x", (3,), "float32"), Tensor("t", (1,), "float32"))
    evaluation = DataGraph(tuple(forward()), {"input/x": "x", "input/t": "t"}, {"loss": "loss"})
    return Dataflow(parameters, inputs, {TRAIN: training or graph(), EVAL: evaluation})
