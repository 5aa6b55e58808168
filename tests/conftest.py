"""What all tests share."""

from hypothesis import settings

settings.register_profile("steady", deadline=None)  # a machine with much to do is not a failing test
settings.load_profile("steady")
