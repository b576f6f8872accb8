"""Configurations and checkpoints that are damaged, hostile or of something else, over all that take a model."""

import torch
from case import DNA, Case
from contents import (
    GOOD,
    TRAP,
    WEIGHTS,
    cut,
    fasta,
    folder,
    link_to,
    model,
    model_with_links,
    saved,
    table,
    trapped_tensors,
)

PREDICT = "predict model a.csv -o out.csv"
_TENSOR = "classifier.linear.weight"


def _with(**changes: object) -> dict[str, object]:
    return {"a.csv": GOOD, "model": model(**changes)}


def _config(name: str, value: object, *words: str) -> Case:
    shown = str(value) if len(str(value)) < 40 else f"{str(value)[:20]}..."
    return Case(f"{name} {shown}", PREDICT, ("model/config.json", *(words or (name,))), _with(config={name: value}))


CONFIGS = [
    *(
        _config(name, value)
        for name, value in (
            ("hidden_size", -1),
            ("hidden_size", 0),
            ("hidden_size", 10**12),
            ("hidden_size", "many"),
            ("hidden_size", 8.5),
            ("hidden_size", None),
            ("hidden_size", True),
            ("state_size", 3),
            ("state_size", -4),
            ("conv_kernel", 2),
            ("conv_kernel", 10**9 + 1),
            ("num_hidden_layers", -1),
            ("num_hidden_layers", 10**6),
            ("ensemble_size", 0),
            ("ensemble_size", 10**9),
            ("pgc_hidden_sizes", "wide"),
            ("pgc_hidden_sizes", [4, -6]),
            ("pgc_hidden_sizes", [4] * 10_000),
            ("pgc_hidden_sizes", [[4]]),
            ("dropout", 1.5),
            ("dropout", float("nan")),
            ("dropout", "some"),
            ("time_step_min", -1.0),
            ("time_step_max", float("inf")),
            ("rms_norm_eps", float("nan")),
            ("pooling", "median"),
            ("pooling", {"by": "mean"}),
            ("num_positions", 10**12),
            ("label_transform", "sqrt"),
            ("reverse_complement", "yes"),
            ("pair_context", 3),
            ("pad_token_id", 7),
            ("problem_type", "ranking"),
            ("num_labels", 10**9),
        )
    ),
    _config("alphabet", "klingon", "klingon"),
    _config("alphabet", "", "alphabet"),
    _config("alphabet", 7, "alphabet"),
    _config("alphabet", "A" * 100_000, "letters"),
    _config("id2label", {"0": "a", "5": "b"}, "id2label"),
    _config("id2label", {"0": "a\x1b[2J"}, "id2label", "control character"),
    _config("id2label", "names", "id2label"),
    _config("id2label", {"one": "a"}, "id2label"),
    _config("id2label", {}, "num_labels must be at least 1"),
    _config("architectures", ["BertModel"], "architectures", "BertModel"),
    _config("architectures", None, "architectures"),
    _config("architectures", "LyraForRegression", "architectures"),
    _config("architectures", [["LyraForRegression"]], "architectures"),
    _config("model_type", "bert", "'bert'", "'lyra'"),
    _config("model_type", ["lyra"], "model_type"),
    # Fields that nobody knows and that would run something, or replace what runs.
    _config("to_dict", "evil", "'to_dict'", "delete it"),
    _config("__class__", "evil", "'__class__'"),
    _config("transformers_weights", "../../other.bin", "transformers_weights"),
    _config("attn_implementation", "evil/kernels", "evil/kernels"),
    Case("config that is empty", PREDICT, ("model/config.json: cannot be read as JSON",), _with(config=b"")),
    Case(
        "config that is cut",
        PREDICT,
        ("model/config.json: cannot be read as JSON",),
        _with(config=b'{"model_type": "ly'),
    ),
    Case("config that is a list", PREDICT, ("model/config.json: model_type is None",), _with(config=b"[1]")),
    Case("config in Latin-1", PREDICT, ("model/config.json: cannot be read",), _with(config=b'{"model_type": "\xe9"}')),
    Case("config of brackets", PREDICT, ("model/config.json: cannot be read",), _with(config=b"[" * 100_000)),
    Case("config of NUL", PREDICT, ("model/config.json: cannot be read",), _with(config=bytes(100))),
    Case(
        "config of an integer of 10,000 digits",
        PREDICT,
        ("model/config.json",),
        _with(config=b'{"model_type": "lyra", "hidden_size": ' + b"9" * 10_000 + b"}"),
    ),
    Case("no config", PREDICT, ("no config.json in this folder",), _with(without=("config.json",))),
    # What looks hostile and does nothing.
    Case(
        "an auto_map of code elsewhere",
        PREDICT,
        ("2 sequences scored",),
        _with(
            config={"auto_map": {"AutoConfig": "evil/model--config.Evil", "AutoModel": "run.Evil"}},
            extra={"run.py": b"raise SystemExit(7)"},
        ),
        status=0,
    ),
    Case(
        "code in the place of the model's",
        PREDICT,
        ("2 sequences scored",),
        _with(extra={"modeling_lyra.py": b"raise SystemExit(7)"}),
        status=0,
    ),
    Case("a field that nobody knows", PREDICT, ("2 sequences scored",), _with(config={"favourite": 7}), status=0),
]

CHECKPOINTS = [
    Case("no such checkpoint", "predict lyra-cas8 a.csv -o out.csv", ("'lyra-cas8'", "did you mean"), {"a.csv": GOOD}),
    Case("a checkpoint on the Hub", "predict org/name a.csv -o out.csv", ("lyra-hf pull org/name",), {"a.csv": GOOD}),
    Case(
        "a checkpoint of ..",
        "predict lyra-cas9/../lyra-cas9 a.csv -o out.csv",
        ("no checkpoint is called 'lyra-cas9/../lyra-cas9'",),
        {"a.csv": GOOD},
    ),
    Case("a checkpoint without a name", "predict '' a.csv -o out.csv", ("no config.json",), {"a.csv": GOOD}),
    Case("a file for a checkpoint", "predict a.csv a.csv -o out.csv", ("a.csv: a model is a folder",), {"a.csv": GOOD}),
    Case("an empty folder", PREDICT, ("no config.json",), {"a.csv": GOOD, "model": folder}),
    Case("weights cut in the middle", PREDICT, (f"model/{WEIGHTS}", "cut short"), _with(weights=cut)),
    Case(
        "weights cut in the header", PREDICT, (f"model/{WEIGHTS}", "cut short"), _with(weights=lambda all_: all_[:100])
    ),
    Case("weights that are empty", PREDICT, (f"model/{WEIGHTS}", "cut short"), _with(weights=b"")),
    Case("weights with a huge header", PREDICT, (f"model/{WEIGHTS}",), _with(weights=b"\xff" * 8 + b"{}")),
    Case("weights that are a pickle", PREDICT, (f"model/{WEIGHTS}: not a safetensors file",), _with(weights=TRAP)),
    Case("no weights", PREDICT, (f"no {WEIGHTS}",), _with(without=(WEIGHTS,))),
    Case(
        "pickled weights",
        PREDICT,
        ("pytorch_model.bin: a pickle",),
        _with(without=(WEIGHTS,), extra={"pytorch_model.bin": TRAP}),
    ),
    Case("a pickle named .pt", PREDICT, ("model.pt: a pickle",), _with(without=(WEIGHTS,), extra={"model.pt": TRAP})),
    Case(
        "a pickle for a model",
        "predict a.pkl a.csv -o out.csv",
        ("a.pkl: a model is a folder",),
        {"a.csv": GOOD, "a.pkl": TRAP},
    ),
    Case("a tensor too few", PREDICT, (f"has no tensor '{_TENSOR}'",), _with(tensors={_TENSOR: None})),
    Case("a tensor too many", PREDICT, ("unknown tensor 'evil'",), _with(tensors={"evil": torch.zeros(2)})),
    Case(
        "a tensor of another shape",
        PREDICT,
        (f"tensor '{_TENSOR}' has the shape (3, 3)",),
        _with(tensors={_TENSOR: torch.zeros(3, 3)}),
    ),
    Case(
        "a tensor of whole numbers",
        PREDICT,
        (f"model/{WEIGHTS}", _TENSOR),
        _with(tensors={_TENSOR: torch.zeros(1, 8, dtype=torch.int64)}),
    ),
    Case(
        "a tensor of NaN",
        PREDICT,
        (f"model/{WEIGHTS}", _TENSOR),
        _with(tensors={_TENSOR: torch.full((1, 8), float("nan"))}),
    ),
    Case("weights of another width", PREDICT, ("has the shape",), _with(config={"hidden_size": 16})),
    Case("weights of another alphabet", PREDICT, ("has the shape",), _with(config={"alphabet": "protein"})),
    Case(
        "a model of another alphabet",
        "predict lyra-gb1 a.csv -o out.csv",
        ("a.csv, row 1", "protein alphabet"),
        {"a.csv": table("ACGT1")},
    ),
    Case(
        "weights linked to nowhere",
        PREDICT,
        (f"no {WEIGHTS}",),
        {"a.csv": GOOD, "model": model_with_links(model__safetensors="../none")},
    ),
    Case(
        "config linked to nowhere",
        PREDICT,
        ("no config.json",),
        {"a.csv": GOOD, "model": model_with_links(config__json="/none")},
    ),
    Case(
        "config linked to what is no config",
        PREDICT,
        ("model/config.json: cannot be read",),
        {"a.csv": GOOD, "model": model_with_links(config__json="../a.csv")},
    ),
    Case(
        "weights linked to other files",
        PREDICT,
        (f"model/{WEIGHTS}", "cut short"),
        {"a.csv": GOOD, "model": model_with_links(model__safetensors="../a.csv")},
    ),
    Case("a link to itself for a model", PREDICT, ("model",), {"a.csv": GOOD, "model": link_to("model")}),
    # The other commands that take a model.
    *(
        Case(
            f"half a checkpoint to {name}",
            command,
            (f"model/{WEIGHTS}", "cut short"),
            _with(weights=cut) | {"a.fa": fasta(a=DNA)},
        )
        for name, command in {
            "scan": f"scan model {DNA} -o out.csv",
            "epistasis": f"epistasis model {DNA} -o out.csv",
            "optimize": f"optimize model {DNA} --mutations 1 -o out.csv",
            "design": "design a.fa --model model --nuclease SpCas9 -o out.tsv",
            "score-guides": "score-guides model a.csv --nuclease SpCas9 -o out.csv",
            "evaluate": "evaluate model a.csv --target sequence",
            "export": "export model -o out",
            "page": "page model -o out",
            "push": "push model org/name",
        }.items()
    ),
    Case("a page of two with one broken", "page lyra-gb1 model -o out", (f"model/{WEIGHTS}",), _with(weights=cut)),
    Case("an export into a file", "export lyra-cas9 -o a.csv", ("a.csv",), {"a.csv": GOOD}),
    Case("a page into a file", "page lyra-cas9 -o a.csv", ("a.csv",), {"a.csv": GOOD}),
    Case(
        "guides of a model of proteins",
        "design a.fa --model lyra-gb1 -o out.tsv",
        ("lyra-gb1 is no shipped model of guides",),
        {"a.fa": fasta(a=DNA)},
    ),
    Case("an output that is none", "scan lyra-cas9 ACGT --label bright -o out.csv", ("bright",)),
    Case(
        "a device that is none",
        "predict lyra-cas9 a.csv --device nonsense -o out.csv",
        ("device 'nonsense'",),
        {"a.csv": GOOD},
    ),
    # From and to the Hub: names that are refused before anything is asked.
    *(
        Case(f"{verb} {name}", f"{verb} {name}", (f"'{shown}' cannot be the name of a repository",), {"model": model()})
        for verb in ("pull", "push model")
        for name, shown in (
            ("../up", "../up"),
            ("org/..", "org/.."),
            ("org/a..b", "org/a..b"),
            ("name", "name"),
            ("a/b/c", "a/b/c"),
            ("''", ""),
            ("'org/n me'", "org/n me"),
        )
    ),
    Case("pulling over a file", "pull org/name -o a.csv", ("a.csv exists",), {"a.csv": GOOD}),
    Case("pulling over a link", "pull org/name -o a", ("a exists",), {"a": link_to("/none")}),
    # The authors' checkpoints.
    Case("converting nothing", "convert none.pt -o out --alphabet dna", ("none.pt: no such file",)),
    Case("converting a folder", "convert model -o out --alphabet dna", ("model: no such file",), {"model": folder}),
    Case(
        "converting an empty file", "convert a.pt -o out --alphabet dna", ("a.pt: not a PyTorch file",), {"a.pt": b""}
    ),
    Case(
        "converting a pickle",
        "convert a.pt -o out --alphabet dna",
        ("a.pt: not a PyTorch file of tensors alone",),
        {"a.pt": TRAP},
    ),
    Case(
        "converting a trap",
        "convert a.pt -o out --alphabet dna",
        ("a.pt: not a PyTorch file of tensors alone",),
        {"a.pt": trapped_tensors},
    ),
    Case(
        "converting a list",
        "convert a.pt -o out --alphabet dna",
        ("a.pt: holds no state dict",),
        {"a.pt": saved([torch.zeros(3)])},
    ),
    Case(
        "converting a part",
        "convert a.pt -o out --alphabet dna",
        ("no tensor 'decoder.weight'",),
        {"a.pt": saved({"encoder.weight": torch.zeros(8, 4)})},
    ),
    Case(
        "converting numbers for tensors",
        "convert a.pt -o out --alphabet dna",
        ("a.pt: holds no state dict",),
        {"a.pt": saved({"encoder.weight": 3})},
    ),
    Case(
        "converting tensors without dimensions",
        "convert a.pt -o out --alphabet dna",
        ("encoder.weight",),
        {
            "a.pt": saved(
                {
                    name: torch.tensor(1.0)
                    for name in (
                        "encoder.weight",
                        "decoder.weight",
                        "pgc1.conv.weight",
                        "pgc2.conv.weight",
                        "s4d.kernel.log_A_real",
                    )
                }
            )
        },
    ),
    Case(
        "converting an even kernel",
        "convert a.pt -o out --alphabet dna",
        ("conv_kernel must be odd",),
        {
            "a.pt": saved(
                {
                    "encoder.weight": torch.zeros(8, 4),
                    "decoder.weight": torch.zeros(1, 8),
                    "pgc1.conv.weight": torch.zeros(4, 1, 2),
                    "pgc2.conv.weight": torch.zeros(4, 1, 2),
                    "s4d.kernel.log_A_real": torch.zeros(8, 2),
                }
            )
        },
    ),
    Case("converting into a file", "convert a.pt -o a.pt --alphabet dna", ("a.pt is a file",), {"a.pt": saved({})}),
]
