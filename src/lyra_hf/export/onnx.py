"""A model as an ONNX file: one graph for every batch and every length, which says what goes in and what comes out."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..alphabets import PAD_ID
from ..checkpoints.folders import write_bytes, write_text
from ..errors import UserError
from ..extras import needs
from ..inference.loading import load_model
from ..inference.outputs import explained
from ..modeling_lyra import LyraForSequenceClassification, LyraForTokenClassification, LyraPreTrainedModel
from ..tokenization_lyra import build_tokenizer
from .all_lengths import CHUNK_LENGTH, for_all_lengths
from .description import describe

FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
INPUTS = ("input_ids", "attention_mask")
TOLERANCE = 1e-4  # of what ONNX Runtime gives, against PyTorch; of outputs above 1 relative to them
_OPSET = 20
_EXAMPLE = (2, 3 * CHUNK_LENGTH - 16)  # rows and letters of the input that the graph is captured with


class _Outputs(nn.Module):
    """A model with outputs in a fixed order: those of `graph_outputs`."""

    def __init__(self, model: LyraPreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.names = graph_outputs(model)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        outputs = self.model(input_ids=input_ids, attention_mask=attention_mask)
        return tuple(outputs[name] for name in self.names)


def graph_outputs(model: LyraPreTrainedModel) -> list[str]:
    """What the graph of a model gives."""
    of_ensembles = ["spread"] if model.config.ensemble_size > 1 else []
    return ["logits", *of_ensembles, *(["lower", "upper"] if model.config.intervals else [])]


def export_onnx(model: LyraPreTrainedModel, path: Path, name: str) -> None:
    """Write a model as an ONNX file, after ONNX Runtime has given the model's own numbers with it.

    Inputs are `input_ids` and `attention_mask`, int64 (batch, length); 1 in the mask marks what is no padding. Outputs
    are float32: `logits`, (batch, outputs) or, of a head per residue, (batch, length, outputs), of a regression in the
    labels' own units; and of the same shape, of an ensemble `spread`, the standard deviation over its members, and of a
    regression with intervals `lower` and `upper`, the ends of those of 90 %. The metadata hold what `describe` tells,
    under "lyra_hf" as JSON, and its texts and numbers under their own names.

    Args:
        model: a model with a head.
        path: the file; it is written beside and renamed, and its folder made if there is none.
        name: what the model is called.

    Raises:
        UserError: the model has no head, a library is missing, or ONNX Runtime gives other numbers.
    """
    if not isinstance(model, LyraForSequenceClassification | LyraForTokenClassification):
        raise UserError(f"a {type(model).__name__} has no head, so there are no predictions to export")
    with needs("onnx", "exporting to ONNX"):
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  # PyTorch's exporter wants it
    content = _graph(model)
    proto = onnx.load_from_string(content)
    _drop_traces(proto.graph)
    onnx.helper.set_model_props(proto, _metadata(model, name))
    proto.producer_name, proto.doc_string = "lyra_hf", ""
    proto.graph.name = name
    onnx.checker.check_model(proto, full_check=True)
    content = proto.SerializeToString()
    _check(model, onnxruntime.InferenceSession(content, _session_options(), providers=["CPUExecutionProvider"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)


def export_model(name_or_path: str, output: Path) -> Path:
    """Write a model's ONNX file into a folder, beside the tokenizer that makes its `input_ids`.

    Args:
        name_or_path: a shipped name or a folder.
        output: the folder; other files in it stay.

    Returns:
        The ONNX file.

    Raises:
        UserError: as `load_model` and `export_onnx`; or `output` is a file.
    """
    model = load_model(name_or_path)
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file; name a folder to write {FILE} to")
    path = output / FILE
    tokenizer = build_tokenizer(model.config.alphabet).backend_tokenizer.to_str(pretty=True)
    with explained(str(path)):
        export_onnx(model, path, Path(name_or_path).resolve().name)
        write_text(output / TOKENIZER_FILE, tokenizer)
    return path


def _graph(model: LyraPreTrainedModel) -> bytes:
    """The serialised graph, as PyTorch's exporter makes it."""
    from onnxscript import optimizer

    # Captured with several chunks, of pairs too, the graph serves a single one as well.
    sizes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=2 * CHUNK_LENGTH + 1)}
    ids = torch.full(_EXAMPLE, PAD_ID + 2)
    example = (ids, torch.ones_like(ids))
    with torch.no_grad(), _quiet_exporter():
        program = torch.onnx.export(
            torch.export.export(
                _Outputs(for_all_lengths(model)),
                example,
                dynamic_shapes=[sizes] * len(INPUTS),
                prefer_deferred_runtime_asserts_over_guards=True,
            ),
            example,
            dynamo=True,
            input_names=INPUTS,
            output_names=graph_outputs(model),
            dynamic_shapes=[sizes] * len(INPUTS),
            opset_version=_OPSET,
            optimize=False,  # it would lay out tables that a runtime makes in an instant, and takes long
            verbose=False,
        )
        assert program is not None
        optimizer.fold_constants(program.model, input_size_limit=64, output_size_limit=256)
        optimizer.remove_unused_nodes(program.model)
        content: bytes = program.model_proto.SerializeToString()
    return content


def _drop_traces(graph: Any) -> None:
    """Leave out what the exporter says of where it met a node: more bytes than the weights, and paths of a machine."""
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.metadata_props[:]
    del graph.value_info[:]
    graph.doc_string = ""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _drop_traces(attribute.g)


def _metadata(model: LyraPreTrainedModel, name: str) -> dict[str, str]:
    description = describe(model, name)
    plain = {key: value for key, value in description.items() if isinstance(value, str | int)}
    return {
        "lyra_hf": json.dumps(description),
        **{key: str(value) for key, value in plain.items()},
        "inputs": ", ".join(INPUTS),
        "outputs": ", ".join(description["outputs"]),
        "units": "of each output, in its name" if description["problem_type"] == "regression" else "logits",
    }


def _check(model: LyraPreTrainedModel, session: Any) -> None:
    """Refuse a file with which ONNX Runtime gives other numbers than PyTorch."""
    generator = torch.Generator().manual_seed(0)
    last = model.config.num_letters + 2
    reference = _Outputs(model)
    for length in (2, 30, 2 * CHUNK_LENGTH + 6, 300):
        ids = torch.randint(2, last, (3, length), generator=generator)
        ids[1, : length // 2] = PAD_ID
        ids[2, length - length // 4 * 2 :] = PAD_ID
        ids = ids.to(model.device)
        mask = (ids != PAD_ID).long()
        with torch.no_grad():
            expected = [output.float().cpu().numpy() for output in reference(ids, mask)]
        found = session.run(None, {"input_ids": ids.cpu().numpy(), "attention_mask": mask.cpu().numpy()})
        for output, right in zip(found, expected, strict=True):
            error = float(np.max(np.abs(output - right) / np.maximum(np.abs(right), 1)))
            if not error <= TOLERANCE:
                raise UserError(
                    f"ONNX Runtime differs from PyTorch by {error:.1g} at {length} letters, more than {TOLERANCE:g}; "
                    "nothing was written"
                )


def _session_options() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return options


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Errors only from PyTorch's exporter, which tells of steps and of other libraries."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
