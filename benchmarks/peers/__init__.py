"""Other input systems at the same work, each in its own process: one module a peer, at its best documented settings.

The packages are the extra `[bench]` of pyproject.toml; a peer that is not installed is said to be missing, and no more.
"""
