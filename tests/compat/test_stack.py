"""What code of that time told its compiler, and asked of its reports."""

from __future__ import annotations

import json

from compat.stack.bottlenecks import AssessBottlenecks, locate_csperf_log
from compat.stack.settings import CSConfig, FullConfig


def test_settings_spring_into_being():
    """Any branch can be set without being made first, and is kept."""
    config = FullConfig()
    assert not config
    config.matching.kernel.no_dcache_spill_splits = True
    config.target_num_replicas = -1
    assert config.matching.kernel.no_dcache_spill_splits
    assert config.target_num_replicas == -1
    assert CSConfig(mgmt_address="x").mgmt_address == "x"


def test_the_newest_report_says_whether_the_input_kept_up(tmp_path):
    """Code of that time looks below cerebras_logs; what it finds is the report of the last run."""
    asked = str(tmp_path / "cerebras_logs" / "job_[!default]*")
    assert locate_csperf_log(asked) is None
    report = tmp_path / "wafer" / "train_1" / "performance.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"suspected_input_bottleneck (beta)": True}))
    assert AssessBottlenecks(locate_csperf_log(asked)).assess_bottleneck_main() is True
