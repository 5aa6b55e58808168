"""What is compiled: the program as data, and the checks it must pass before anything runs."""
