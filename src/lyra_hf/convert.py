"""The authors' checkpoints as ours: their names, shapes and letter order translated, nothing else changed."""

from pathlib import Path

import torch
from torch import Tensor

from .alphabets import get_alphabet
from .checkpoints.folders import save_checkpoint
from .configuration_lyra import LyraConfig
from .errors import UserError, as_user_error, reason
from .inference.outputs import explained
from .modeling_lyra import LyraForRegression, LyraForSequenceClassification

# The letters behind the columns of the authors' encoder.weight, in their order.
AUTHORS_LETTERS = {"protein": "ILVFMCAGPTSYWQNHEDKR", "dna": "ACGT", "rna": "AUCG"}

# The authors' names -> ours. A norm's weight may be called `weight` or `scale`.
_NAMES = {
    "encoder.weight": "lyra.encoder.weight",
    "encoder.bias": "lyra.encoder.bias",
    "norm.weight": "lyra.layers.0.norm.weight",
    "s4d.D": "lyra.layers.0.convolution.D",
    "s4d.kernel.log_dt": "lyra.layers.0.convolution.log_dt",
    "s4d.kernel.C": "lyra.layers.0.convolution.C",
    "s4d.kernel.log_A_real": "lyra.layers.0.convolution.log_A_real",
    "s4d.kernel.A_imag": "lyra.layers.0.convolution.A_imag",
    "s4d.output_linear.0.weight": "lyra.layers.0.output_linear.weight",
    "s4d.output_linear.0.bias": "lyra.layers.0.output_linear.bias",
    "decoder.weight": "classifier.linear.weight",
    "decoder.bias": "classifier.linear.bias",
}
for _index in (0, 1):
    for _module in ("in_proj", "out_proj", "conv"):
        for _parameter in ("weight", "bias"):
            _NAMES[f"pgc{_index + 1}.{_module}.{_parameter}"] = f"lyra.pgc.{_index}.{_module}.{_parameter}"
    for _module in ("in_norm", "out_norm"):
        _NAMES[f"pgc{_index + 1}.{_module}.weight"] = f"lyra.pgc.{_index}.{_module}.weight"


def read_authors_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint in the authors' format (a PyTorch file with a state dict).

    It is read with `weights_only`, which makes tensors and nothing else: code in the file is not run.

    Raises:
        UserError: there is no such file, or there is anything but named tensors in it.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch reports a damaged file and a refused object in many ways
        raise UserError(
            f"{path}: not a PyTorch file of tensors alone, or damaged; nothing else is read "
            "(save model.state_dict() with torch.save)"
        ) from error
    if isinstance(loaded, dict):
        for key in ("state_dict", "model_state_dict"):
            if isinstance(loaded.get(key), dict):
                loaded = loaded[key]
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise UserError(f"{path}: holds no state dict (a dictionary of names and tensors)")
    return {str(name).removeprefix("module."): tensor for name, tensor in loaded.items()}


def infer_config(state_dict: dict[str, Tensor], alphabet: str) -> LyraConfig:
    """The configuration that the shapes of an authors' state dict speak of.

    Raises:
        UserError: a tensor is missing, or the letters do not fit the alphabet.
    """
    state_dict = _with_our_norm_names(state_dict)
    try:
        hidden_size, columns = state_dict["encoder.weight"].shape
        num_labels, _ = state_dict["decoder.weight"].shape
        widths = [state_dict[f"pgc{index}.conv.weight"].shape[0] for index in (1, 2)]
        kernel = state_dict["pgc1.conv.weight"].shape[-1]
        num_modes = state_dict["s4d.kernel.log_A_real"].shape[-1]
    except KeyError as error:
        raise UserError(
            f"the checkpoint has no tensor {error.args[0]!r}: not a state dict of the authors' Lyra"
        ) from None
    except (ValueError, IndexError):
        raise UserError(
            "the checkpoint's tensors have other dimensions than encoder.weight, decoder.weight and their like: not a "
            "state dict of the authors' Lyra"
        ) from None
    with as_user_error():
        letters = len(get_alphabet(alphabet).letters)
    if columns != letters:
        raise UserError(f"the checkpoint's encoder takes {columns} letters; the alphabet {alphabet!r} has {letters}")
    try:
        return LyraConfig(
            alphabet=alphabet,
            hidden_size=hidden_size,
            pgc_hidden_sizes=widths,
            conv_kernel=kernel,
            state_size=2 * num_modes,
            num_labels=num_labels,
            problem_type="regression" if num_labels == 1 else None,
        )
    except Exception as error:  # strict dataclasses raise several kinds of errors, all with a message for the reader
        raise UserError(f"the checkpoint's shapes are of no model of the authors': {reason(error)}") from error


def convert_state_dict(state_dict: dict[str, Tensor], config: LyraConfig) -> dict[str, Tensor]:
    """The authors' state dict under our names, shapes and letter order, for a model with a head per sequence.

    Raises:
        UserError: a tensor is missing or left over, or has another shape than `config` asks for.
    """
    given = _with_our_norm_names(state_dict)
    expected = {
        name: tensor
        for name, tensor in LyraForSequenceClassification(config).state_dict().items()
        if name in _NAMES.values()
    }
    if len(expected) < len(_NAMES) or config.num_hidden_layers != 1 or config.bidirectional:
        raise UserError("the authors' checkpoints have two PGCs and one S4D layer of one direction; the config has not")
    missing = sorted(set(_NAMES) - set(given))
    if missing:
        raise UserError(f"the checkpoint has no tensor {missing[0]!r}: not a state dict of the authors' Lyra")
    unknown = sorted(set(given) - set(_NAMES))
    if unknown:
        raise UserError(f"the checkpoint has a tensor {unknown[0]!r} that the authors' released model has not")
    converted = {}
    for authors_name, name in _NAMES.items():
        tensor = given[authors_name].detach().clone()
        if authors_name == "encoder.weight":
            tensor = _reorder_letters(tensor, config.alphabet)
        if authors_name == "s4d.output_linear.0.weight":  # a 1x1 convolution is a linear map: (2H, H, 1) -> (2H, H)
            tensor = tensor.squeeze(-1)
        if tensor.shape != expected[name].shape:
            raise UserError(
                f"the checkpoint's tensor {authors_name!r} has the shape {tuple(given[authors_name].shape)}; "
                f"{tuple(expected[name].shape)} was expected"
            )
        converted[name] = tensor
    return converted


def convert_checkpoint(path: Path, output: Path, alphabet: str) -> LyraConfig:
    """Write the folder of a checkpoint of ours from a file of the authors'; returns its configuration.

    Raises:
        UserError: the file cannot be read or does not fit.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file; name a folder to write the checkpoint to")
    state_dict = read_authors_checkpoint(path)
    config = infer_config(state_dict, alphabet)
    model = (LyraForRegression if config.num_labels == 1 else LyraForSequenceClassification)(config)
    model.load_state_dict(convert_state_dict(state_dict, config), strict=False)
    with explained(str(output)):
        save_checkpoint(model, output)
    return config


def _with_our_norm_names(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """One name for a norm's weight, and no second copy of the convolution's."""
    return {
        name.removesuffix(".scale") + ".weight" if name.endswith("norm.scale") else name: tensor
        for name, tensor in state_dict.items()
        if ".flash_conv." not in name
    }


def _reorder_letters(weight: Tensor, alphabet: str) -> Tensor:
    """The encoder's columns (H, letters) in our order of the letters."""
    theirs = AUTHORS_LETTERS.get(alphabet)
    if theirs is None:  # an alphabet of the user's own stands as it is
        return weight
    return weight[:, [theirs.index(letter) for letter in get_alphabet(alphabet).letters]]
