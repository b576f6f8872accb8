"""What every Auto class and pipeline says of some repositories without trust, where lyra_hf cannot be imported.

Run as `python -I hostile_loads.py JOB`: the job is a JSON file with `directory` (of this file), `repositories` and
`answer`, the file to write the errors to, by repository and entry point; None is no error.
"""

import json
import sys
from pathlib import Path

import transformers

ENTRIES = {
    **{
        name: getattr(transformers, name).from_pretrained
        for name in (
            "AutoConfig",
            "AutoModel",
            "AutoModelForSequenceClassification",
            "AutoModelForTokenClassification",
            "AutoModelForMaskedLM",
            "AutoTokenizer",
        )
    },
    "pipeline": lambda name: transformers.pipeline("text-classification", model=name),
    "token pipeline": lambda name: transformers.pipeline("token-classification", model=name),
}


def errors(name):
    """What each entry point says of a repository or folder."""
    found = {}
    for entry, load in ENTRIES.items():
        try:
            load(name)
        except Exception as error:  # whatever it is
            found[entry] = f"{type(error).__name__}: {error}"
        else:
            found[entry] = None
    return found


if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text())
    sys.path.append(job["directory"])
    from without_package import Blocker

    sys.meta_path.insert(0, Blocker())
    answer = {name: errors(name) for name in job["repositories"]}
    Path(job["answer"]).write_text(json.dumps(answer))
