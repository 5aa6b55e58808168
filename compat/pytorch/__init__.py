"""Old names over clients.pytorch: the loop of that time, driven by a run on the wafer."""
