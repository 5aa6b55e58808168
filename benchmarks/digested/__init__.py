"""The same service, whose wafer process also digests every sample that a replica takes: for benchmarks only."""
