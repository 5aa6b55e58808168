"""A project whose input takes a fixed time for each batch: a worker's rate is known before it is measured."""
