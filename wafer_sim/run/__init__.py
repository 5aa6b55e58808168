"""One run on the wafer, from its spec to its end."""
