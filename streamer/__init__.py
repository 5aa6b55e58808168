"""The input service: reads datasets, and pushes finished batches to whatever consumes them."""
