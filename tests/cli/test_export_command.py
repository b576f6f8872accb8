"""`lyra-hf export`."""

import onnxruntime


def test_writes_a_file_that_says_what_it_is(lyra, tmp_path):
    status, out, err = lyra("export", "lyra-gfp", "-o", "out")
    assert (status, out) == (0, "")
    assert err == (
        "out/model.onnx: inputs input_ids and attention_mask; "
        "its metadata say the alphabet, the outputs and their units\n"
    )
    metadata = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx").get_modelmeta().custom_metadata_map
    assert metadata["name"] == "lyra-gfp"
    assert metadata["outputs"] == "log10 brightness"


def test_no_such_model(lyra, tmp_path):
    status, _, err = lyra("export", "lyra-gpf", "-o", "out")
    assert status == 2
    assert err.startswith("lyra-hf: no checkpoint is called 'lyra-gpf': did you mean lyra-gfp?")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
