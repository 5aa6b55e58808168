"""Faults on purpose: who is struck and when, real processes to strike, and what came of it."""
