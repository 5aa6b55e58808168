"""Small old names around the loop."""

from __future__ import annotations

import pytest
import torch

from clients.roles import Place
from compat.pytorch import cb_model, padding
from compat.pytorch.loss import loss_among
from compat.pytorch.rates import RateTracker
from compat.pytorch.samples import SampleGenerator
from streamer.sources.loaders import open_loader
from wire.errors import InvalidInput


def test_fake_data_can_be_streamed():
    """The same batch so many times; it says its batch size, and that all its batches are whole."""
    fake = SampleGenerator((torch.zeros(4, 2), torch.zeros(4)), sample_count=3)
    assert len(fake) == len(list(fake)) == 3
    traits = open_loader(fake).traits
    assert (traits.batch_size, traits.drop_last) == (4, True)


def test_the_loss_is_found_among_the_outputs():
    """A tensor, the first of several, or an attribute; anything else is named."""
    loss = torch.ones(())
    with_loss = type("Output", (), {"loss": loss})()
    assert all(loss_among(outputs) is loss for outputs in (loss, (loss, 1), [loss], with_loss))
    with pytest.raises(InvalidInput, match="gives a dict"):
        loss_among({})


def test_outside_of_a_launch_there_is_one_task(monkeypatch):
    """Nothing says that there are others, so that this is the chief, and streams are not cut by the user."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert (cb_model.is_master_ordinal(), cb_model.get_ordinal(), cb_model.num_tasks()) == (True, 0, 1)
    assert (cb_model.num_streamers(), cb_model.get_streaming_rank(), cb_model.is_streamer()) == (1, 0, False)
    monkeypatch.setenv("WAFER_RANK", "2")
    monkeypatch.setenv("WAFER_TASKS", "4")
    assert (cb_model.is_master_ordinal(), cb_model.get_ordinal(), cb_model.num_tasks()) == (False, 2, 4)
    assert (cb_model.num_streamers(), cb_model.get_streaming_rank(), cb_model.is_streamer()) == (1, 0, True)
    assert cb_model.mesh_reduce("tag", 3, sum) == 3
    assert cb_model.rendezvous("tag", "payload") == ["payload"]


def test_tasks_meet_where_there_is_a_system(monkeypatch, caplog):
    """Without one, in a session, or in a worker that a chief has started, nobody waits; nor where nobody counts."""
    met = []
    monkeypatch.setattr(cb_model.cbtorch.STATE, "session", None)
    monkeypatch.setattr(cb_model, "meet", lambda *asked: met.append(asked) or ["a", "b"])
    monkeypatch.setenv("WAFER_RANK", "1")
    monkeypatch.setenv("WAFER_TASKS", "2")
    monkeypatch.setenv("WAFER_SESSION", "s")
    assert cb_model.rendezvous("tag") == []
    monkeypatch.setattr(cb_model.cbtorch.ENVIRONMENT, "cs_ip", "h:9000")
    assert cb_model.rendezvous("tag", "b") == ["a", "b"]
    assert met == [("h:9000", Place(1, 2, "s", "WAFER_RANK"), "tag", "b")]
    monkeypatch.setenv(cb_model.jobs.WORKS_FOR, "h:9000 s")
    assert cb_model.rendezvous("tag", "b") == ["b"]
    monkeypatch.delenv(cb_model.jobs.WORKS_FOR)
    with monkeypatch.context() as later:
        later.setattr(cb_model.cbtorch.STATE, "session", object())
        assert cb_model.rendezvous("tag", "b") == ["b"]
    monkeypatch.delenv("WAFER_SESSION")
    assert cb_model.rendezvous("tag", "b") == ["b"]
    assert caplog.messages == ["rendezvous 'tag' does not wait: WAFER_RANK does not say which tasks there are"]
    assert len(met) == 1


def test_a_state_is_saved_for_weights_only(tmp_path):
    """What cm.save wrote is read by torch.load without any code."""
    path = tmp_path / "checkpoint_1.mdl"
    state = {"model": {"w": torch.ones(2, requires_grad=True)}, "global_step": 1}
    cb_model.save(state, str(path), post_transfer_callback=lambda held: {**held, "more": 2})
    held = torch.load(path, weights_only=True)
    assert (held["model"]["w"].tolist(), held["global_step"], held["more"]) == ([1, 1], 1, 2)


def test_padding_layers_and_rates_are_plain():
    """Padding layers give their input; a tracker counts samples."""
    assert padding.StripPadding()(torch.ones(2)).tolist() == [1, 1]
    tracker = RateTracker()
    tracker.add(10)
    assert tracker.rate() > 0
    assert tracker.global_rate() > 0
