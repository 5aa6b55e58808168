"""Old modules: found behind everybody else's, and refused by name where they are not supported."""

from __future__ import annotations

import importlib
import logging

import pytest

from compat.names import HOMES


def test_every_old_module_has_its_names(old_names):
    """Each line of the table can be imported, and each name of its home asked for (TensorFlow's elsewhere)."""
    for name, home in HOMES.items():
        if name.startswith(("cerebras.tf", "tensorflow")):
            continue
        module = importlib.import_module(name)
        known = importlib.import_module(home).__all__ if home else []
        assert all(hasattr(module, each) for each in known)
        assert {*known} <= {*dir(module)}


def test_names_are_reached_through_their_packages(old_names):
    """`cbtorch.optim.lr_scheduler.Step` needs no import of its own."""
    cbtorch = importlib.import_module("cerebras.framework.torch")
    assert cbtorch.optim.lr_scheduler.Step.name == "Step"
    assert cbtorch.utils.data.dataloader.DataLoader is cbtorch.data.DataLoader


def test_what_is_not_supported_is_refused_by_name(old_names, caplog):
    """Code of that time catches the ImportError and goes on without a word, so that it is said as a warning too."""
    caplog.set_level(logging.WARNING, "compat")
    cm = importlib.import_module("cerebras.framework.torch.core.cb_model")
    with pytest.raises(AttributeError, match=r"cb_model\.set_metric_state_names is not supported"):
        _ = cm.set_metric_state_names
    with pytest.raises(ModuleNotFoundError, match=r"cerebras\.tf\.ws is not supported"):
        importlib.import_module("cerebras.tf.ws")
    assert [record.getMessage().split(" ")[0] for record in caplog.records] == [
        "cerebras.framework.torch.core.cb_model.set_metric_state_names",
        "cerebras.tf.ws",
    ]


def test_a_package_of_the_users_own_is_never_shadowed(old_names, tmp_path, monkeypatch):
    """With a `cerebras` of their own on the path it is found, and nothing of ours is in its place."""
    (tmp_path / "cerebras").mkdir()
    (tmp_path / "cerebras" / "__init__.py").write_text("OWN = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert importlib.import_module("cerebras").OWN
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'cerebras\.elsewhere'"):
        importlib.import_module("cerebras.elsewhere")
