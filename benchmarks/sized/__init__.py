"""A project whose samples are as large as its params say: one row of bytes and a label."""
