# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""The pipeline "token-classification" for heads that transformers' own cannot read: numbers, several labels at once."""

import math
from typing import Any

from transformers import TokenClassificationPipeline
from transformers.pipelines.token_classification import AggregationStrategy

from .configuration_lyra import LyraConfig


class LyraTokenClassificationPipeline(TokenClassificationPipeline):
    """transformers' pipeline, which takes the outputs of every residue for classes, of which one is right.

    It stays as it is for models of classes, and for all that are not Lyras. Of a Lyra that predicts numbers or several
    labels at once it gives an entry for each residue and output: `entity` is the output's name, which says the unit,
    `score` the number in that unit, or the label's probability; `index`, `word`, `start` and `end` are the residue's,
    as in transformers. The input of a model of pairs is a text with the second sequence behind the first; its residues
    are the first sequence's.
    """

    def postprocess(
        self,
        all_outputs: list[dict[str, Any]],
        aggregation_strategy: AggregationStrategy = AggregationStrategy.NONE,
        ignore_labels: list[str] | None = None,
    ) -> list[dict[str, Any]]:
        """The entries of one sequence.

        Raises:
            ValueError: an aggregation is asked for where there are no classes.
        """
        config = self.model.config
        is_lyra = config.model_type == LyraConfig.model_type
        if is_lyra and config.pair_input:
            all_outputs = [_of_first(part, config.pair_context) for part in all_outputs]
        if not is_lyra or config.effective_problem_type == "single_label_classification":
            entries: list[dict[str, Any]] = super().postprocess(all_outputs, aggregation_strategy, ignore_labels)
            return entries
        kind = config.effective_problem_type
        if aggregation_strategy != AggregationStrategy.NONE:
            raise ValueError(
                "aggregation_strategy joins residues of one class, and this model gives "
                + ("numbers" if kind == "regression" else "several labels at once")
            )
        ignored = set(ignore_labels or ())
        entries, sentence = [], ""
        for part in all_outputs:  # several where the caller has a long text cut
            sentence = part["sentence"] or sentence
            is_padding = part["special_tokens_mask"][0].tolist()  # Lyra has no other special tokens
            letters = zip(part["logits"][0].float().tolist(), part["offset_mapping"][0].tolist(), strict=True)
            for index, (scores, (start, end)) in enumerate(letters):
                if is_padding[index]:
                    continue
                entries += [
                    {
                        "entity": config.id2label[output],
                        "score": score if kind == "regression" else 1 / (1 + math.exp(-score)),
                        "index": index,
                        "word": sentence[start:end],
                        "start": start,
                        "end": end,
                    }
                    for output, score in enumerate(scores)
                    if config.id2label[output] not in ignored
                ]
        return entries


def _of_first(part: dict[str, Any], pair_context: int) -> dict[str, Any]:
    """What is told of a pair's tokens, of those of the first sequence alone, which the outputs stand for."""
    letters = (part["special_tokens_mask"][0] == 0).nonzero()[:, 0]  # (n,), of both sequences
    first = letters[: letters.numel() // 2 + pair_context]
    tokens = {name: part[name][:, first] for name in ("input_ids", "offset_mapping", "special_tokens_mask")}
    return {**part, **tokens, "logits": part["logits"][:, : first.numel()]}  # these are aligned on the left
