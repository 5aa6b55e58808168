"""What the wafer can compute."""
