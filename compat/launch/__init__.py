"""csrun_cpu, csrun_wse and the interpreters that they name."""
