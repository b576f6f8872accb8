"""Loads models from a Hub in a process in which lyra_hf cannot be imported, saves them, and loads them again.

Run as `python -I without_package.py JOB`: the job is a JSON file with `models` (a list of repository, task of the
pipeline, and inputs), `folder` and `answer`, the file to write what was found to.
"""

import json
import sys
from pathlib import Path

import torch
import transformers


class Blocker:
    """Stands before every finder, also those of editable installs."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "lyra_hf":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


HEADS = {
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
}


def exact(tensor):
    """Numbers that are equal if and only if their bits are."""
    return None if tensor is None else [value.hex() for value in tensor.double().flatten().tolist()]


def encoded(tokenizer, inputs):
    """The batch of some inputs, texts or pairs of texts, as `{"text": ..., "text_pair": ...}`."""
    texts = [one["text"] + one["text_pair"] if isinstance(one, dict) else one for one in inputs]
    return tokenizer(texts, padding=True, return_tensors="pt")


@torch.no_grad()
def load(name, task, inputs):
    """What every Auto class makes of a repository or a folder."""
    trust = {"trust_remote_code": True}
    config = transformers.AutoConfig.from_pretrained(name, **trust)
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, **trust)
    base = transformers.AutoModel.from_pretrained(name, **trust).eval()
    head = getattr(transformers, HEADS[task]).from_pretrained(name, **trust).eval()
    batch = encoded(tokenizer, inputs)
    outputs = head(**batch)
    run = transformers.pipeline(task, model=name, **trust)
    found = {
        "modules": sorted({type(part).__module__.split(".")[0] for part in (config, base, head)}),
        "classes": [type(part).__name__ for part in (config, base, head)],
        "pooled": exact(base(**batch).pooler_output),
        "logits": exact(outputs.logits),
        "spread": exact(outputs.spread),
        "pipeline": run(inputs[0]),
        "pipeline class": type(run).__name__,
    }
    return head, found


def main(job):
    answer = {}
    for name, task, inputs in job["models"]:
        head, found = load(name, task, inputs)
        folder = Path(job["folder"], name.replace("/", "-"))
        head.save_pretrained(folder)
        _, again = load(str(folder), task, inputs)
        answer[name] = {"hub": found, "saved again": again, "files": sorted(path.name for path in folder.iterdir())}
    try:
        import lyra_hf  # noqa: F401

        answer["package"] = "can be imported"
    except ModuleNotFoundError as error:
        answer["package"] = str(error)
    answer["loaded"] = [module for module in sys.modules if module.split(".")[0] == "lyra_hf"]
    return answer


if __name__ == "__main__":
    sys.meta_path.insert(0, Blocker())
    job = json.loads(Path(sys.argv[1]).read_text())
    Path(job["answer"]).write_text(json.dumps(main(job), default=float))  # some pipelines give NumPy's numbers
