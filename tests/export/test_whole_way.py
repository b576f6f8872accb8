"""From a table to the same number everywhere: trained, pushed, deleted, loaded, served, and opened in a browser."""

import shutil

import numpy as np
import onnxruntime
import pytest
from browser_tab import Tab
from huggingface_hub import HfApi, snapshot_download
from support.elsewhere import run_without_package
from support.endpoint import serving
from support.web_server import serving_site

from lyra_hf import Predictor, SequenceEncoder

# Of the client's own making, when it uploads a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

SEQUENCES = ["GATTACAGATTACAGATT", "ccnnGTTAgcatUUgcatcgat"]


def test_the_same_number_everywhere(lyra, names, browser, tmp_path):
    generator = np.random.default_rng(0)
    rows = ["".join(generator.choice(list("ACGT"), size=18)) for _ in range(60)]
    table = [f"{row},{row.count('C') * 3.5 + row.count('G')}" for row in rows]
    (tmp_path / "table.csv").write_text("\n".join(["sequence,melting", *table]) + "\n")

    status, _, err = lyra("train", "table.csv", "--target", "melting", "-o", "model", "--epochs", "2")
    assert status == 0, err
    expected = Predictor("model")(SEQUENCES)
    assert np.ptp(expected) > 1e-3

    name = names.new("whole-way")
    status, out, err = lyra("push", "model", name)
    assert (status, out) == (0, f"{HfApi().endpoint}/{name}\n"), err
    shutil.rmtree("model")

    (tmp_path / "elsewhere").mkdir()
    answer = run_without_package([(name, "text-classification", SEQUENCES)], tmp_path / "elsewhere")
    assert answer["package"] == "No module named 'lyra_hf'"
    for where in ("hub", "saved again"):
        found = answer[name][where]
        assert [float.fromhex(value) for value in found["logits"]] == pytest.approx(expected, rel=1e-5)
        assert (found["pipeline"][0]["label"], found["pipeline"][0]["score"]) == (
            "melting",
            pytest.approx(expected[0], rel=1e-5),
        )

    folder = tmp_path / "server" / "repository"
    snapshot_download(name, local_dir=folder)
    with serving(folder) as ask:
        status, entries = ask({"inputs": SEQUENCES})
    assert status == 200
    assert [entry["score"] for (entry,) in entries] == pytest.approx(expected, rel=1e-5)

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    for sequence, number in zip(SEQUENCES, expected, strict=True):
        ids = SequenceEncoder("dna").encode(sequence)[None].astype(np.int64)
        logits = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        assert float(logits[0, 0]) == pytest.approx(number, abs=1e-4)

    assert lyra("pull", name, "-o", "pulled")[0] == 0
    assert lyra("page", "pulled", "-o", "site")[0] == 0
    with serving_site(tmp_path / "site") as address:
        tab = Tab(browser.new_context(), address).open()
        for sequence, number in zip(SEQUENCES, expected, strict=True):
            tab.type(sequence)
            assert float(tab.score()["prediction"]) == pytest.approx(number, abs=1e-4)
        tab.close()
    tab.check()
