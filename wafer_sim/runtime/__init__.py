"""How a program runs: executors, optimizers and schedules. The only part of wafer_sim that imports torch."""
