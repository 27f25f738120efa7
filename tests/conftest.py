"""What all tests share."""

from hypothesis import settings

# Examples are drawn from a fixed seed, so that a test fails for everyone or for no one; busy machines miss deadlines.
settings.register_profile("pnetkit", deadline=None, derandomize=True)
settings.load_profile("pnetkit")
