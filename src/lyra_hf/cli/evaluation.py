"""`lyra-hf evaluate`: a model's metrics on a labelled table."""

from typing import Any

from ..errors import UserError
from ..inference.predictor import Predictor
from ..inference.results import output_index, output_names, problem_type
from ..training.data import load_table
from ..training.evaluation import evaluate_rows
from ..training.formats import TableFormat


def run_evaluation(
    model: str,
    data: str,
    *,
    targets: tuple[str, ...],
    split: str | None,
    split_column: str,
    column: str,
    pair_column: str | None,
    output_name: str | None,
    device: str | None,
) -> dict[str, Any]:
    """Metrics of a model on a table.

    Raises:
        UserError: the model or the table cannot be used, or they do not fit each other.
    """
    predictor = Predictor(model, device)
    predictor.check_pairs(pair_column)
    config = predictor.config
    kind = problem_type(config)
    single_label = kind == "single_label_classification"
    if output_name is not None:
        if single_label:
            raise UserError("--output picks one of several numbers or labels; this model gives classes")
        output_index(config, output_name)
        expected = 1
    else:
        expected = 1 if single_label else config.num_labels
    if len(targets) != expected:
        names = ", ".join(output_names(config))
        raise UserError(
            f"the model has {expected} output(s) to hold against columns ({names}), and --target names {len(targets)}; "
            "give --target once for each, in their order, or pick one with --output NAME"
        )
    form = TableFormat(
        targets=targets,
        sequence=column,
        pair=pair_column,
        pair_context=config.pair_context,
        split=split_column if split is not None else None,
        alphabet=config.alphabet,
        head="residue" if predictor.per_residue else "sequence",
        problem_type=kind,
        classes=tuple(output_names(config)) if single_label else None,
    )
    table = load_table(data, form, only_split=split)
    return evaluate_rows(predictor, table.merged(), output_name)
