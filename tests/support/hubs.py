"""A Hub to test with: on loopback, or the real one if HF_TOKEN is set and LYRA_HF_TEST_HUB names an organisation."""

import os
import time
from types import SimpleNamespace
from uuid import uuid4

import huggingface_hub
import pytest
from huggingface_hub import HfApi, constants, file_download
from huggingface_hub.utils import _http
from support.loopback_hub import ORGANISATIONS, LoopbackHub
from transformers.utils import hub as transformers_hub


@pytest.fixture
def loopback(tmp_path, monkeypatch):
    """A Hub on loopback that this process takes for the Hub, and whose failures it meets without waiting."""
    with LoopbackHub() as hub:
        monkeypatch.setenv("HF_TOKEN", hub.token)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(transformers_hub, "_hf_api", None)
        clock = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
        for module in (_http, file_download):
            monkeypatch.setattr(module, "time", clock)
        yield hub
        huggingface_hub.close_session()
        transformers_hub._hf_api = None


class Names:
    """Names for new repositories, which are deleted when the test is over."""

    def __init__(self, organisation):
        self.organisation, self.given = organisation, []

    def new(self, word):
        self.given.append(f"{self.organisation}/lyra-hf-{word}-{uuid4().hex[:8]}")
        return self.given[-1]

    def delete(self):
        for name in self.given:
            HfApi().delete_repo(name, missing_ok=True)


@pytest.fixture
def names(request):
    """Names of new repositories on the Hub that this process talks to."""
    organisation = os.environ.get("LYRA_HF_TEST_HUB")
    if not organisation:
        request.getfixturevalue("loopback")
    names = Names(organisation or ORGANISATIONS[0])
    yield names
    names.delete()
