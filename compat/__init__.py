"""What code of CSoft 1.6's time imports, given back to it: old names over the clients of today."""
