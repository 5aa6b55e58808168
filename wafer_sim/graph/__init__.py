"""The kernel graph: one neutral form of a model, for both frameworks, between program and fabric."""
