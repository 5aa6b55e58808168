"""The folder that PYTHONPATH names where code of that time is to run."""
