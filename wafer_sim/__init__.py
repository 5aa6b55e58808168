"""A simulated CS-2: coordinator, ingest, compiler, replicas and checkpoints."""
