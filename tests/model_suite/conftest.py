"""The marks of transformers' tests, and the reasons for which they may be skipped."""

import re

import pytest

MARKS = (
    "accelerate_tests",
    "flash_attn_3_test",
    "flash_attn_4_test",
    "flash_attn_test",
    "is_agent_test",
    "is_expert_parallel_test",
    "is_fsdp_test",
    "is_pipeline_test",
    "is_staging_test",
    "is_tensor_parallel_test",
    "is_training_test",
    "order",
    "slow",
    "torch_compile_test",
)


def pytest_configure(config):
    """The marks that transformers' tests have."""
    for mark in MARKS:
        config.addinivalue_line("markers", f"{mark}: of transformers")


# Reasons for which transformers' tests may skip themselves here; any other is a failure, so that none goes unseen.
REASONS = (
    # What a convolution and a state space have not.
    r"[Aa]ttention", r"sdpa", r"RoPE", r"position embeddings", r"sparse experts", r"output_router_logits",
    r"grouped_mm", r"TP plan", r"kernels library", r"`capture_outputs`", r"hidden states, or cannot",
    # What is no part of an encoder by itself.
    r"language modeling head", r"not composite", r"No subconfigs",
    # Weights have one name and one layout, in files too.
    r"No conversion found", r"Could not locate the classification Linear layer",
    # Sizes that the alphabet alone decides.
    r"test_resize_embeddings is set to", r"which the alphabet alone decides", r"no table of embeddings can replace",
    # Ensembles and pairs.
    r"as copies of what the next layer reads", r"embeddings of single letters are no input",
    # Machines and libraries that are not there.
    r"test requires", r"test is slow",
)  # fmt: skip


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if not any(re.search(known, reason) for known in REASONS):
            report.outcome, report.longrepr = "failed", f"skipped for a reason that is not known: {reason}"
    return report
