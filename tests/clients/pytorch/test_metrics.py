"""Metrics."""

from __future__ import annotations

import math

import pytest
import torch

from clients.pytorch.metrics import AccuracyMetric, recording
from wire.errors import InvalidInput


def test_accuracy_adds_up_over_batches():
    """Three of four and zero of one are three of five."""
    metric = AccuracyMetric()
    metric(labels=torch.tensor([1, 2, 3, 4]), predictions=torch.tensor([1, 2, 3, 0]))
    metric(labels=torch.tensor([1]), predictions=torch.tensor([0]))
    assert metric.compute() == pytest.approx(0.6)


def test_weights_count():
    """A weighted label counts as much as its weight."""
    metric = AccuracyMetric()
    metric(torch.tensor([1, 2]), torch.tensor([1, 0]), weights=torch.tensor([3.0, 1.0]))
    assert metric.compute() == pytest.approx(0.75)


def test_reset_forgets():
    """After reset the metric is over nothing, which is nan."""
    metric = AccuracyMetric()
    metric(torch.tensor([1]), torch.tensor([1]))
    metric.reset()
    assert math.isnan(metric.compute())


def test_a_recorder_takes_the_sums_and_the_metric_keeps_nothing():
    """While somebody records, sums and counts go there under the metric's name."""
    metric = AccuracyMetric("top1")
    with recording() as recorded:
        metric(torch.tensor([1, 2]), torch.tensor([1, 0]))
    total, count = recorded.values["top1"]
    assert (float(total), float(count)) == (1.0, 2.0)
    assert math.isnan(metric.compute())


def test_two_metrics_of_one_name_are_refused():
    """Two sums under one name could not be told apart."""
    with recording(), pytest.raises(InvalidInput, match="two metrics are called"):
        for _ in range(2):
            AccuracyMetric("a")(torch.tensor([1]), torch.tensor([1]))
