"""Settings that all tests share: hypothesis draws the same examples every time and never looks at the clock."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("lyra", max_examples=25, deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("lyra")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of the catalogue's tables; what needs it is skipped where LYRA_HF_DATA is unset."""
    folder = os.environ.get("LYRA_HF_DATA")
    if not folder:
        pytest.skip("LYRA_HF_DATA is not set")
    return Path(folder)
