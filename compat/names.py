"""The one list of old modules: what code of that time imports, and which module of ours is behind it.

A module of ours gives what its `__all__` names. A package of that time without names of its own has no home.
"""

from __future__ import annotations

from collections.abc import Mapping

HOMES: Mapping[str, str | None] = {
    "cerebras": None,
    "cerebras.framework": None,
    "cerebras.framework.torch": "compat.pytorch.cbtorch",
    "cerebras.framework.torch.amp": "compat.pytorch.amp",
    "cerebras.framework.torch.core": "compat.pytorch.core",
    "cerebras.framework.torch.core.cb_model": "compat.pytorch.cb_model",
    "cerebras.framework.torch.core.modes": "compat.pytorch.modes",
    "cerebras.framework.torch.data": "compat.pytorch.loaders",
    "cerebras.framework.torch.nn": "compat.pytorch.padding",
    "cerebras.framework.torch.optim": "compat.pytorch.optimizers",
    "cerebras.framework.torch.optim.lr_scheduler": "compat.pytorch.schedules",
    "cerebras.framework.torch.utils": "compat.pytorch.outputs",
    "cerebras.framework.torch.utils.data": None,
    "cerebras.framework.torch.utils.data.dataloader": "compat.pytorch.loaders",
    "cerebras.pb": None,
    "cerebras.pb.common": None,
    "cerebras.pb.common.cerebras_type_pb2": "compat.stack.settings",
    "cerebras.pb.common.tri_state_pb2": "compat.stack.settings",
    "cerebras.pb.stack": None,
    "cerebras.pb.stack.autogen_pb2": "compat.stack.settings",
    "cerebras.pb.stack.full_pb2": "compat.stack.settings",
    "cerebras.pb.tf": None,
    "cerebras.pb.tf.csconfig_pb2": "compat.stack.settings",
    "cerebras.tf": None,
    "cerebras.tf.cs_estimator": "compat.tensorflow.estimator",
    "cerebras.tf.cs_estimator_spec": "compat.tensorflow.specs",
    "cerebras.tf.host_call": "compat.tensorflow.host_calls",
    "cerebras.tf.run_config": "compat.tensorflow.run_config",
    "cerebras.tf.summary": "compat.tensorflow.summaries",
    "cerebras.tf.tf_helper": "compat.tensorflow.graphs",
    "cerebras.tf.tools": None,
    "cerebras.tf.tools.analyze_input_fn": "compat.tensorflow.analysis",
    "cerebras.workflow": None,
    "cerebras.workflow.python": None,
    "cerebras.workflow.python.cs_perf_analyzer": "compat.stack.bottlenecks",
    "torch_xla": None,
    "torch_xla.utils": None,
    "torch_xla.utils.utils": "compat.pytorch.samples",
    "tensorflow.keras.mixed_precision.experimental": "compat.tensorflow.mixed_precision",
}

ROOTS = frozenset({"cerebras", "torch_xla"})
"""The packages that are wholly ours here: what is missing of them is not supported, rather than somebody else's."""


def is_package(name: str) -> bool:
    """Whether an old module has others below it."""
    return any(other.startswith(f"{name}.") for other in HOMES)
