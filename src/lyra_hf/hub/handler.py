# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Serves the model of this repository at an Inference Endpoint.

A request is {"inputs": ...} with a sequence, a pair {"text": ..., "text_pair": ...} for a model of pairs, or a list of
either. The answer to a list is a list of answers; that to a sequence is a list of entries:

- of a regression one for each output: "label" is its name, "score" the number, "unit" what it is in; of an ensemble
  "spread" is the standard deviation over its members; of a model with intervals "lower" and "upper" are the ends of
  that in which the label lies in 90 % of cases;
- of classes their probabilities as "score", the highest first, with {"parameters": {"top_k": 3}} no more than three;
- of a model that scores each residue such an entry for each residue and output (of classes: the likeliest), with
  "index", "word", "start" and "end" of the residue; of a pair those of the first sequence.

It needs the files of this repository, torch and transformers, and nothing else.
"""

from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

_LETTERS_PER_BATCH = 65_536
_MAX_SEQUENCES = 10_000
_MAX_LETTERS = 1_000_000  # of all sequences of a request
_BESIDE = ("spread", "lower", "upper")


class _Encoded(NamedTuple):
    """An input as the model reads it.

    Attributes:
        text: the sequence; of a pair the first one, whose letters the residues of a pair are.
        ids: token ids, of a pair those of both sequences.
        offsets: where in the text each letter begins and ends.
    """

    text: str
    ids: list[int]
    offsets: list[tuple[int, int]]


class EndpointHandler:
    """What an Inference Endpoint calls.

    Args:
        path: the repository's folder.
    """

    def __init__(self, path: str = "") -> None:
        # The code is that of this repository, as this file is.
        config = AutoConfig.from_pretrained(path, trust_remote_code=True)
        self.per_residue = config.architectures[0] == "LyraForTokenClassification"
        head = AutoModelForTokenClassification if self.per_residue else AutoModelForSequenceClassification
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = head.from_pretrained(path, trust_remote_code=True, use_safetensors=True).eval().to(device)
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.names = [config.id2label[index] for index in range(config.num_labels)]
        self.kind = config.effective_problem_type

    def __call__(self, data: dict[str, Any]) -> list[Any]:
        """Answer a request.

        Raises:
            ValueError: the inputs cannot be scored; the message says which, and why.
        """
        if not isinstance(data, dict):
            raise ValueError(f'a request is an object with "inputs", not {type(data).__name__}')
        inputs, top_k = data.get("inputs"), _top_k(data.get("parameters"))
        is_batch = isinstance(inputs, list)
        sequences = inputs if isinstance(inputs, list) else [inputs]
        if len(sequences) > _MAX_SEQUENCES:
            raise ValueError(f"{len(sequences):,} sequences in one request; send at most {_MAX_SEQUENCES:,}")
        places = [f"input {number}" if is_batch else "the input" for number in range(1, len(sequences) + 1)]
        texts = [self._texts(sequence, place) for sequence, place in zip(sequences, places, strict=True)]
        letters = sum(len(text) for of_one in texts for text in of_one.values())
        if letters > _MAX_LETTERS:
            raise ValueError(f"{letters:,} letters in one request; send at most {_MAX_LETTERS:,}")
        encoded = [self._encode(of_one, place) for of_one, place in zip(texts, places, strict=True)]
        answers: list[Any] = [None] * len(encoded)
        for batch in self._batches([len(one.ids) for one in encoded]):
            for index, logits, beside in self._scores([encoded[index].ids for index in batch], batch):
                answers[index] = (
                    self._residues(encoded[index], logits, beside)
                    if self.per_residue
                    else self._entries(logits, beside)[:top_k]
                )
        return answers if is_batch else answers[0]

    def _texts(self, sequence: Any, place: str) -> dict[str, str]:
        """The sequence of an input, or the two of a pair, by what messages call them."""
        if self.model.config.pair_input:
            if not isinstance(sequence, dict) or not {"text", "text_pair"} <= set(sequence):
                raise ValueError(f'{place}: the model takes pairs; give {{"text": FIRST, "text_pair": SECOND}}')
            texts = {f"{place}, {name}": sequence[name] for name in ("text", "text_pair")}
        else:
            if isinstance(sequence, dict):
                if "text_pair" in sequence:
                    raise ValueError(f"{place}: the model takes single sequences; leave out text_pair")
                sequence = sequence.get("text", sequence.get("sequence"))
            texts = {place: sequence}
        for name, text in texts.items():
            if not isinstance(text, str):
                raise ValueError(f"{name}: a sequence is a text, not {type(text).__name__}")
        return texts

    def _encode(self, texts: dict[str, str], place: str) -> _Encoded:
        """The token ids of a sequence, or of a pair one behind the other."""
        parts = [self._tokens(text, name) for name, text in texts.items()]
        if len(parts) > 1:
            first, second = (len(part.ids) for part in parts)
            context = self.model.config.pair_context
            if first - 2 * context != second:
                raise ValueError(
                    f"{place}: the first sequence has {first} letters and the second {second}; the first must have "
                    + (f"{2 * context} more, {context} on either side" if context else "as many")
                )
        return parts[0]._replace(ids=[token for part in parts for token in part.ids])

    def _tokens(self, text: str, name: str) -> _Encoded:
        """The token ids of one sequence, which must have letters, and only such as are the model's."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{name}: character {error.start + 1} is not valid Unicode") from error
        encoding = self.tokenizer(text, return_offsets_mapping=True)
        ids, offsets = encoding["input_ids"], encoding["offset_mapping"]
        if not ids:
            raise ValueError(f"{name}: the sequence is empty")
        if self.tokenizer.unk_token_id in ids:
            position = ids.index(self.tokenizer.unk_token_id)
            start, end = offsets[position]
            raise ValueError(
                f"{name}: letter {position + 1} is {text[start:end]!r}, which is not in the model's alphabet "
                f"({self.model.config.alphabet})"
            )
        return _Encoded(text, ids, offsets)

    def _batches(self, lengths: list[int]) -> list[list[int]]:
        """Places of sequences of like length, so many that they fit, in each batch."""
        batches: list[list[int]] = []
        for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
            if not batches or lengths[batches[-1][0]] * (len(batches[-1]) + 1) > _LETTERS_PER_BATCH:
                batches.append([])
            batches[-1].append(index)
        return batches

    @torch.no_grad()
    def _scores(self, rows: list[list[int]], places: list[int]) -> list[tuple[int, Any, dict[str, Any]]]:
        """The logits of each sequence, with its place, and what is told beside them: spread and intervals."""
        padded = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(self.model.device)
        outputs = self.model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"])
        logits = outputs.logits.float().cpu()
        beside = {name: outputs[name].float().cpu() for name in _BESIDE if outputs.get(name) is not None}
        return [
            (place, logits[row], {name: values[row] for name, values in beside.items()})
            for row, place in enumerate(places)
        ]

    def _entries(self, logits: Any, beside: dict[str, Any]) -> list[dict[str, Any]]:
        """The entries of a sequence or of a residue: logits (outputs,) and what is told beside them, alike."""
        if self.kind == "regression":
            return [
                {"label": name, "score": float(logits[output]), "unit": name}
                | {title: float(values[output]) for title, values in beside.items()}
                for output, name in enumerate(self.names)
            ]
        is_single = self.kind == "single_label_classification"
        scores = (logits.softmax(-1) if is_single else logits.sigmoid()).tolist()
        entries = [{"label": name, "score": score} for name, score in zip(self.names, scores, strict=True)]
        return sorted(entries, key=lambda entry: -entry["score"]) if is_single or not self.per_residue else entries

    def _residues(self, encoded: _Encoded, logits: Any, beside: dict[str, Any]) -> list[dict[str, Any]]:
        """The entries of every residue: logits (L, outputs)."""
        entries = []
        for index, (start, end) in enumerate(encoded.offsets):
            place = {"index": index, "word": encoded.text[start:end], "start": start, "end": end}
            found = self._entries(logits[index], {title: values[index] for title, values in beside.items()})
            if self.kind == "single_label_classification":
                found = found[:1]  # the residue's class
            entries += [{"entity": entry["label"], **entry, **place} for entry in found]
        return entries


def _top_k(parameters: Any) -> int | None:
    """How many entries are asked for at most; None for all."""
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise ValueError(f"parameters are an object, not {type(parameters).__name__}")
    unknown = sorted(set(parameters) - {"top_k"})
    if unknown:
        raise ValueError(f"unknown parameter {unknown[0]!r}; there is top_k")
    top_k = parameters.get("top_k")
    if top_k is not None and (not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1):
        raise ValueError(f"top_k must be a whole number of at least 1, not {top_k!r}")
    return top_k
