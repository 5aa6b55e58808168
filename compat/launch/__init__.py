"""csrun_cpu, csrun_wse, cs_input_analyzer and the interpreters that they name."""
