"""The commands of `lyra-hf`: each reads its arguments here and does its work elsewhere."""

import json
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from ..errors import UserError
from .analysis import epistasis, scan
from .cluster import AddressOption, EngineOption, is_for_cluster, run_in_pieces
from .console import counting, messages, print_result, speak_for_all_processes, waiting
from .design import design, score_guides
from .failures import fail
from .optimization import optimize

app = typer.Typer(
    name="lyra-hf",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@dataclass
class _Settings:
    """What is told before the name of a command.

    Attributes:
        debug: whether an error shows its traceback.
    """

    debug: bool = False


ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A shipped name (see `lyra-hf checkpoints`) or a folder.")
]
ColumnOption = Annotated[str, typer.Option("--column", help="The column that holds the sequences.")]
PairOption = Annotated[
    str | None, typer.Option("--pair-column", help="The column of the second sequences, for models of pairs.")
]
TargetOption = Annotated[
    list[str] | None, typer.Option("--target", help="The column to predict; give it again for several.")
]
ZerosOption = Annotated[
    bool, typer.Option("--zeros-are-missing", help="Of labels per residue: a row was not measured if all its are 0.")
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="Where to compute: cpu, cuda, cuda:1, mps.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print_result(f"lyra-hf {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Of an error show the traceback too.")] = False,
) -> None:
    """Lyra: a tiny, exact model of protein, DNA and RNA sequences."""
    context.obj.debug = debug


@app.command()
def predict(
    model: ModelArgument,
    input_path: Annotated[
        str, typer.Argument(metavar="INPUT", help=".csv .tsv .parquet .fasta .txt (text ones also .gz), or -.")
    ],
    output: Annotated[
        str | None, typer.Option("-o", "--output", help=".csv .tsv .parquet .jsonl; else CSV on standard output.")
    ] = None,
    column: ColumnOption = "sequence",
    pair_column: PairOption = None,
    device: DeviceOption = None,
    batch_size: Annotated[int | None, typer.Option(help="Most sequences per batch.")] = None,
    level: Annotated[
        float, typer.Option(help="The share of labels that `lower` to `upper` shall hold, of models with intervals.")
    ] = 0.9,
    engine: EngineOption = "local",
    address: AddressOption = None,
) -> None:
    """Score the sequences of a file (on a cluster also of a folder). Columns are kept, and the predictions added."""
    from ..inference.files import predict_file

    if is_for_cluster(engine, address):
        from ..cluster.jobs import PredictJob
        from ..cluster.pieces import table_pieces

        job = PredictJob(model, column, pair_column, batch_size, level, device)
        run_in_pieces(job, lambda: table_pieces(Path(input_path)), output, address)
        return
    with counting("scoring") as on_progress:
        rows = predict_file(
            model,
            input_path,
            output,
            column=column,
            pair_column=pair_column,
            device=device,
            batch_size=batch_size,
            level=level,
            on_progress=on_progress,
        )
    if output not in (None, "-"):
        messages.print(f"{rows:,} sequences scored: {output}")


@app.command()
def train(
    data: Annotated[str | None, typer.Argument(metavar="DATA", help="A labelled table: .csv .tsv .parquet.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The folder to write the model to.")] = None,
    target: TargetOption = None,
    task: Annotated[str | None, typer.Option(help="A task of the catalogue, in place of DATA and --target.")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Folder of the catalogue's tables, else LYRA_HF_DATA.")] = None,
    configuration: Annotated[str, typer.Option(help="Of --task: the best known, or that of the paper.")] = "best",
    fold: Annotated[int | None, typer.Option(help="Of a --task with cross-validation: the fold to test on.")] = None,
    column: ColumnOption = "sequence",
    pair_column: PairOption = None,
    split_column: Annotated[
        str | None, typer.Option(help="The column of splits (train, validation, test); `split` if there is one.")
    ] = None,
    alphabet: Annotated[
        str | None, typer.Option(help="protein, dna, rna, or the letters; told from the sequences otherwise.")
    ] = None,
    problem: Annotated[
        str | None, typer.Option(help="regression, classification or multi-label; told from the labels otherwise.")
    ] = None,
    per_residue: Annotated[bool, typer.Option("--per-residue", help="A label for each residue.")] = False,
    zeros_are_missing: ZerosOption = False,
    label_transform: Annotated[str | None, typer.Option(help="log or rank, for skewed labels.")] = None,
    bidirectional: Annotated[bool, typer.Option("--bidirectional", help="Read sequences from both ends.")] = False,
    pooling: Annotated[
        str | None,
        typer.Option(help="mean, max, last, attention, or position (a weight each: for aligned sequences)."),
    ] = None,
    site_weights: Annotated[
        bool,
        typer.Option("--site-weights", help="Fit a weight for each letter at each site first: for aligned sequences."),
    ] = False,
    pair_context: Annotated[
        int | None, typer.Option(help="Letters by which the first of a pair reaches beyond the second on either side.")
    ] = None,
    ensemble_size: Annotated[
        int | None, typer.Option(help="Members of an ensemble that is trained at once and is one model.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Most passes over the training rows.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Sequences per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without progress before stopping; 0: never.")] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Once the best epoch is known, train anew on validation rows too.")
    ] = False,
    calibration_pieces: Annotated[
        int | None,
        typer.Option(
            help="Of rows in groups: cut the training rows into so many pieces, and predict each by a model trained on "
            "the others, so that intervals rest on all of them. Takes as many times as long."
        ),
    ] = None,
    class_weights: Annotated[bool, typer.Option("--class-weights", help="Weigh rare classes up.")] = False,
    metric: Annotated[str | None, typer.Option(help="What the best epoch is picked by.")] = None,
    license_: Annotated[
        str | None,
        typer.Option("--license", help="Licence of the weights as the Hub spells it, for the card; else unknown."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Train with so many seeds, from --seed on, in folders seed-N beside each other.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="How many of the --seeds at a time, one thread each; else one per core.")
    ] = None,
) -> None:
    """Train a model on a table of one's own, or on a task of the catalogue."""
    from .training import TrainRequest, run_seeds, run_training

    if output is None:
        raise UserError("name the folder to write the model to, with -o")
    changes = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "patience": patience,
        "refit": refit or None,
        "calibration_pieces": calibration_pieces,
        "class_weights": class_weights or None,
        "seed": seed,
    }
    model_options = {
        "label_transform": label_transform,
        "bidirectional": bidirectional or None,
        "pooling": pooling,
        "site_weights": site_weights or None,
        "pair_context": pair_context,
        "ensemble_size": ensemble_size,
    }
    request = TrainRequest(
        data=data,
        task=task,
        data_dir=data_dir,
        configuration=configuration,  # type: ignore[arg-type]  # checked where it is used
        fold=fold,
        targets=tuple(target or ()),
        column=column,
        pair_column=pair_column,
        split_column=split_column,
        alphabet=alphabet,
        problem=problem,
        per_residue=per_residue,
        zeros_are_missing=zeros_are_missing,
        metric=metric,
        license=license_,
        model_options={name: value for name, value in model_options.items() if value is not None},
        changes={name: value for name, value in changes.items() if value is not None},
    )
    if seeds is None and jobs is not None:
        raise UserError("--jobs says how many of the --seeds are trained at a time; give --seeds too")
    is_first = speak_for_all_processes()
    result = run_training(request, output) if seeds is None else run_seeds(request, output, seeds, jobs)
    if is_first:
        print_result(json.dumps(result))


@app.command()
def evaluate(
    model: ModelArgument,
    data: Annotated[str | None, typer.Argument(metavar="DATA", help="A labelled table: .csv .tsv .parquet.")] = None,
    target: TargetOption = None,
    task: Annotated[str | None, typer.Option(help="A task of the catalogue, in place of DATA and --target.")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Folder of the catalogue's tables, else LYRA_HF_DATA.")] = None,
    fold: Annotated[
        int | None, typer.Option(help="Of a --task with cross-validation: the fold of the test rows, else 0.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Only the rows of this split; of a --task test unless told.")
    ] = None,
    split_column: Annotated[str, typer.Option(help="The column of splits.")] = "split",
    column: ColumnOption = "sequence",
    pair_column: PairOption = None,
    output_name: Annotated[
        str | None, typer.Option("--label", help="Of a model with several outputs, the one that --target labels.")
    ] = None,
    zeros_are_missing: ZerosOption = False,
    device: DeviceOption = None,
) -> None:
    """Measure a model on a labelled table, or on a task of the catalogue; one JSON object on standard output."""
    from .evaluation import run_evaluation, run_task_evaluation

    if task is not None:
        told = {
            "DATA": data is not None,
            "--target": bool(target),
            "--column": column != "sequence",
            "--pair-column": pair_column is not None,
            "--split-column": split_column != "split",
            "--label": output_name is not None,
            "--zeros-are-missing": zeros_are_missing,
        }
        if any(told.values()):
            names = ", ".join(name for name, is_told in told.items() if is_told)
            raise UserError(f"--task says which rows are measured, and what their columns hold; leave out {names}")
        metrics = run_task_evaluation(model, task, data_dir=data_dir, split=split, fold=fold, device=device)
    else:
        if data is None:
            raise UserError("give either a table and --target, or --task with the name of a task")
        if data_dir is not None or fold is not None:
            raise UserError("--data-dir and --fold are for tasks of the catalogue; give them with --task")
        if not target:
            raise UserError("name the column of labels, with --target")
        metrics = run_evaluation(
            model,
            data,
            targets=tuple(target),
            split=split,
            split_column=split_column,
            column=column,
            pair_column=pair_column,
            output_name=output_name,
            zeros_are_missing=zeros_are_missing,
            device=device,
        )
    print_result(json.dumps(metrics))


@app.command()
def tasks(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show this task in full.")] = None,
    area: Annotated[str | None, typer.Option(help="List only this area, with what its tasks predict.")] = None,
) -> None:
    """List the tasks of the catalogue, or show one."""
    from .listing import show_task, show_tasks

    if name is None:
        show_tasks(area)
    elif area is None:
        show_task(name)
    else:
        raise UserError("give the name of a task, or --area, not both")


@app.command()
def tables(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show this table's source, or build it.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Build it: the folder of tables to write it to.")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="A folder of source files, OWNER/NAME/COMMIT/PATH; others are downloaded.")
    ] = None,
) -> None:
    """List the tables of the catalogue, or build one from its public source."""
    from .tables import run_build, show_table, show_tables

    if name is None:
        if output is not None:
            raise UserError("name the table to build; `lyra-hf tables` lists them")
        show_tables()
    elif output is None:
        show_table(name)
    else:
        run_build(name, output, sources)


@app.command()
def checkpoints() -> None:
    """List the checkpoints that come with the package."""
    from .listing import show_checkpoints

    show_checkpoints()


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(metavar="AUTHORS_CHECKPOINT", help="A PyTorch file of the authors'.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
    alphabet: Annotated[str, typer.Option(help="protein, dna or rna.")],
) -> None:
    """Turn a state dict of the authors' code into a checkpoint folder."""
    from ..convert import convert_checkpoint

    config = convert_checkpoint(checkpoint, output, alphabet)
    messages.print(f"{output}: {config.alphabet} model with {config.num_labels} output(s)")


@app.command()
def export(
    model: ModelArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
) -> None:
    """Write a model as an ONNX file, which any runtime of ONNX can score with."""
    from ..export.onnx import INPUTS, export_model

    with waiting(f"exporting {model}"):
        path = export_model(model, output)
    messages.print(f"{path}: inputs {' and '.join(INPUTS)}; its metadata say the alphabet, the outputs and their units")


@app.command()
def page(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Shipped names (see `lyra-hf checkpoints`) or folders."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write; a page there is replaced.")],
) -> None:
    """Write a web page that runs models in the browser: a static site, or a static Space on the Hub."""
    from ..export.page import write_page

    with waiting(f"writing {output}"):
        written = write_page(models, output)
    count = f"{written.models} model{'' if written.models == 1 else 's'}, {written.size / 1e6:.1f} MB"
    messages.print(f"{output}: {count}; look at it with: python -m http.server -d {output}")


@app.command()
def push(
    model: ModelArgument,
    repository: Annotated[str, typer.Argument(metavar="ORG/NAME", help="The repository on the Hub.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Put a new version where there is a model already.")] = False,
) -> None:
    """Publish a model on the Hugging Face Hub, whole: loadable without this package, servable, with its card."""
    from ..hub.push import push_model

    with waiting(f"pushing {model}"):
        address = push_model(model, repository, private=private, update=update)
    messages.print(f"{model} is published; fetch it elsewhere with: lyra-hf pull {repository}")
    print_result(address)


@app.command()
def pull(
    repository: Annotated[str, typer.Argument(metavar="ORG/NAME", help="The repository on the Hub.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The folder to write; else NAME in the working directory.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="A branch, a tag or a commit; else main.")] = None,
) -> None:
    """Fetch a model from the Hugging Face Hub into a folder, checked and without any code."""
    from ..hub.pull import pull_model

    with waiting(f"pulling {repository}"):
        folder = pull_model(repository, output, revision=revision)
    messages.print(f"{folder}: score sequences with lyra-hf predict {folder} sequences.csv")


for command in (scan, epistasis, optimize, design, score_guides):
    app.command()(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    Exit status 0; 2 for what the user can mend, 130 for Ctrl-C, 141 where nobody reads standard output any more, and 1
    for a fault of the program itself.
    """
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    arguments = sys.argv[1:] if arguments is None else arguments
    settings = _Settings()
    status = 0
    try:
        # What typer does itself, but that it would take Ctrl-C and a reader that has gone for ends without a word.
        command = typer.main.get_command(app)
        with command.make_context(str(app.info.name), arguments or ["--help"], obj=settings) as context:
            command.invoke(context)
    except typer.Exit as done:
        status = done.exit_code
    except BrokenPipeError:  # the reader of our output has gone; there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except (Exception, KeyboardInterrupt) as error:
        fail(error, debug=settings.debug)
    raise SystemExit(status)


def _show_warning(message: Warning | str, category: type[Warning], *rest: Any) -> None:
    """Our own warnings in a line; those of libraries are not for the user of a command."""
    if category.__module__.startswith("lyra_hf"):
        sys.stderr.write(f"lyra-hf: warning: {message}\n")
