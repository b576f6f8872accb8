"""What whoever runs an exported model has to know: its letters, its inputs, and what its outputs are."""

from typing import Any

from ..alphabets import WHITE_SPACE, get_alphabet
from ..inference.results import output_names, problem_type
from ..modeling_lyra import LyraForTokenClassification, LyraPreTrainedModel


def describe(model: LyraPreTrainedModel, name: str) -> dict[str, Any]:
    """A model's inputs and outputs, as JSON can hold them.

    Args:
        model: a model with a head.
        name: what the model is called.

    Returns:
        `name`; `alphabet` (its name, or its letters), `letters`, `vocabulary` (token -> id), `foldings` (spelling ->
        the symbol that it is read as) and `white_space` (characters that are dropped); `head` ("sequence" or
        "residue"), `problem_type`, `outputs` (their names; of a regression they say the unit); `ensemble_size`;
        `intervals` (whether there are any); `pair_input` and `pair_context`.
    """
    config = model.config
    alphabet = get_alphabet(config.alphabet)
    return {
        "name": name,
        "alphabet": alphabet.name,
        "letters": alphabet.letters,
        "vocabulary": alphabet.vocabulary,
        "foldings": alphabet.foldings,
        "white_space": WHITE_SPACE,
        "head": "residue" if isinstance(model, LyraForTokenClassification) else "sequence",
        "problem_type": problem_type(config),
        "outputs": output_names(config),
        "ensemble_size": config.ensemble_size,
        "intervals": config.intervals,
        "pair_input": config.pair_input,
        "pair_context": config.pair_context,
    }
