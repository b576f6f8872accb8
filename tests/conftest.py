"""Settings that all tests share: hypothesis draws the same examples every time and never looks at the clock."""

from hypothesis import settings

settings.register_profile("lyra", max_examples=25, deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("lyra")
