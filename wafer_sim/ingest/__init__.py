"""Where frames arrive: fencing, credits, landing, and the merge that hands batches to replicas."""
