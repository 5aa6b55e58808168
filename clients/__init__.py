"""What a user imports: params, the run.py flags, the framework packages and the reference projects."""
