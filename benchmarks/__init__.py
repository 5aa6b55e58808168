"""What the project costs and how fast it is: `python -m benchmarks [name ...]`."""
