# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Serves the model of this repository at an Inference Endpoint.

A request is {"inputs": ...} with a sequence, a pair {"text": ..., "text_pair": ...} for a model of pairs, or a list of
either. The answer to a list is a list of answers; that to a sequence is a list of entries:

- of a regression one for each output: "label" is its name, "score" the number, "unit" what it is in; of an ensemble
  "spread" is the standard deviation over its members; of a model with intervals "lower" and "upper" are the ends of
  that in which the label lies in 90 % of cases;
- of classes their probabilities as "score", the highest first, with {"parameters": {"top_k": 3}} no more than three;
- of a model that scores each residue such an entry for each residue and output (of classes: the likeliest), with
  "index", "word", "start" and "end" of the residue.

It needs the files of this repository, torch and transformers, and nothing else.
"""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

_LETTERS_PER_BATCH = 65_536
_MAX_SEQUENCES = 10_000
_BESIDE = ("spread", "lower", "upper")


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
        self.kind = config.problem_type or ("regression" if config.num_labels == 1 else "single_label_classification")

    def __call__(self, data: dict[str, Any]) -> list[Any]:
        """Answer a request.

        Raises:
            ValueError: the inputs cannot be scored; the message says which, and why.
        """
        inputs = data.get("inputs")
        parameters = data.get("parameters") or {}
        top_k = parameters.get("top_k")
        unknown = sorted(set(parameters) - {"top_k"})
        if unknown:
            raise ValueError(f"unknown parameter {unknown[0]!r}; there is top_k")
        if top_k is not None and (not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1):
            raise ValueError(f"top_k must be a whole number of at least 1, not {top_k!r}")
        is_batch = isinstance(inputs, list)
        sequences = inputs if isinstance(inputs, list) else [inputs]
        if len(sequences) > _MAX_SEQUENCES:
            raise ValueError(f"{len(sequences):,} sequences in one request; send at most {_MAX_SEQUENCES:,}")
        places = [f"input {number}" if is_batch else "the input" for number in range(1, len(sequences) + 1)]
        texts = [self._text(sequence, place) for sequence, place in zip(sequences, places, strict=True)]
        encodings = [self.tokenizer(text, return_offsets_mapping=True) for text in texts]
        for text, encoding, place in zip(texts, encodings, places, strict=True):
            self._check(text, encoding, place)
        answers: list[Any] = [None] * len(texts)
        for batch in self._batches([len(encoding["input_ids"]) for encoding in encodings]):
            for index, logits, beside in self._scores([encodings[index] for index in batch], batch):
                answers[index] = (
                    self._residues(texts[index], encodings[index], logits, beside)
                    if self.per_residue
                    else self._entries(logits, beside)[:top_k]
                )
        return answers if is_batch else answers[0]

    def _text(self, sequence: Any, place: str) -> str:
        """The letters of an input, of a pair one sequence behind the other."""
        if self.model.config.pair_input:
            if not isinstance(sequence, dict) or not {"text", "text_pair"} <= set(sequence):
                raise ValueError(f'{place}: the model takes pairs; give {{"text": FIRST, "text_pair": SECOND}}')
            first, second = str(sequence["text"]), str(sequence["text_pair"])
            context = 2 * self.model.config.pair_context
            sizes = [len(self.tokenizer(text)["input_ids"]) for text in (first, second)]
            if sizes[0] - context != sizes[1]:
                raise ValueError(
                    f"{place}: the first sequence has {sizes[0]} letters and the second {sizes[1]}; "
                    "the first must have "
                    + (f"{context} more, {context // 2} on either side" if context else "as many")
                )
            return f"{first} {second}"
        if isinstance(sequence, dict):
            sequence = sequence.get("text", sequence.get("sequence"))
        if not isinstance(sequence, str):
            raise ValueError(f"{place}: a sequence is a text, not {type(sequence).__name__}")
        return sequence

    def _check(self, text: str, encoding: Any, place: str) -> None:
        """Refuse what has no letters, or letters that are none of the model's."""
        if not encoding["input_ids"]:
            raise ValueError(f"{place}: the sequence is empty")
        if self.tokenizer.unk_token_id in encoding["input_ids"]:
            position = encoding["input_ids"].index(self.tokenizer.unk_token_id)
            start, end = encoding["offset_mapping"][position]
            raise ValueError(
                f"{place}: letter {position + 1} is {text[start:end]!r}, which is not in the model's alphabet "
                f"({self.model.config.alphabet})"
            )

    def _batches(self, lengths: list[int]) -> list[list[int]]:
        """Places of sequences of like length, so many that they fit, in each batch."""
        batches: list[list[int]] = []
        for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
            if not batches or lengths[batches[-1][0]] * (len(batches[-1]) + 1) > _LETTERS_PER_BATCH:
                batches.append([])
            batches[-1].append(index)
        return batches

    @torch.no_grad()
    def _scores(self, encodings: list[Any], places: list[int]) -> list[tuple[int, Any, dict[str, Any]]]:
        """The logits of each sequence, with its place, and what is told beside them: spread and intervals."""
        rows = [{"input_ids": encoding["input_ids"]} for encoding in encodings]
        padded = self.tokenizer.pad(rows, return_tensors="pt").to(self.model.device)
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

    def _residues(self, text: str, encoding: Any, logits: Any, beside: dict[str, Any]) -> list[dict[str, Any]]:
        """The entries of every residue: logits (L, outputs)."""
        entries = []
        for index, (start, end) in enumerate(encoding["offset_mapping"]):
            place = {"index": index, "word": text[start:end], "start": start, "end": end}
            found = self._entries(logits[index], {title: values[index] for title, values in beside.items()})
            if self.kind == "single_label_classification":
                found = found[:1]  # the residue's class
            entries += [{"entity": entry["label"], **entry, **place} for entry in found]
        return entries
