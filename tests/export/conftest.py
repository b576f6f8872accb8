"""The page of every shipped checkpoint, served on loopback, and a browser to look at it with."""

import functools
import hashlib
import shutil
from pathlib import Path

import onnxscript
import pytest
import torch
from browser_tab import Tab
from filelock import FileLock
from support.web_server import serving_site

import lyra_hf
from lyra_hf.export import onnx as onnx_export
from lyra_hf.export.page import write_page
from lyra_hf.inference.loading import load_model


@pytest.fixture(scope="session")
def exported(tmp_path_factory, pytestconfig):
    """The ONNX files of shipped checkpoints.

    They are kept from one run of the tests to the next, as long as nothing changes that they are made of, and made once
    where several processes want them.
    """
    cache, export_onnx = getattr(pytestconfig, "cache", None), onnx_export.export_onnx  # none with -p no:cacheprovider
    kept = tmp_path_factory.mktemp("onnx") if cache is None else cache.mkdir("lyra_onnx")

    def export(name):
        file = kept / f"{name}-{_digest(lyra_hf.checkpoint_path(name))}.onnx"
        with FileLock(kept / f"{name}.lock"):
            if not file.exists():
                for old in kept.glob(f"{name}-{'?' * 16}.onnx"):
                    old.unlink()
                export_onnx(load_model(name), file, name)
        return file

    return export


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory, exported):
    """The page of all shipped checkpoints."""
    folder = tmp_path_factory.mktemp("browser") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_export, "export_onnx", lambda model, path, name: shutil.copyfile(exported(name), path))
        write_page(lyra_hf.checkpoint_names(), folder)
    return folder


def _digest(checkpoint):
    """Of a checkpoint and of the code that makes its ONNX file."""
    package = Path(lyra_hf.__file__).parent
    files = [checkpoint / "config.json", checkpoint / "model.safetensors"]
    files += sorted([*package.glob("*.py"), *(package / "export").glob("*.py")])
    digest = hashlib.sha256(f"{torch.__version__} {onnxscript.__version__}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="session")
def site(page_folder):
    """The address of the page."""
    with serving_site(page_folder) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_tab(browser, site):
    """Open tabs; in the end none has asked another host for anything, and none has met an error it did not tell."""
    tabs = []

    def open_tab(**options):
        tabs.append(Tab(browser.new_context(**options), site))
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        tab.close()
    for tab in tabs:
        tab.check()


@pytest.fixture(scope="session")
def shared_tab(browser, site):
    """A tab as large as a desk's screen, which stays open as it does on somebody's desk."""
    tab = Tab(browser.new_context(viewport={"width": 1100, "height": 900}), site)
    yield tab
    tab.close()


@pytest.fixture
def tab(shared_tab):
    """The tab that stays open, in which each test has to go without an error."""
    yield shared_tab
    shared_tab.check()


@pytest.fixture(scope="session")
def models():
    """Loads shipped models once."""
    return functools.cache(load_model)
