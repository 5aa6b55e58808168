"""`cerebras.tf.host_call`."""

from __future__ import annotations

from clients.tensorflow.host_call import host_call_to_eval_metric_ops, validate_host_call

__all__ = ["host_call_to_eval_metric_ops", "validate_host_call"]
