# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Lyra: two projected gated convolutions, S4D, a pool and a linear head (Ramesh et al. 2025, arXiv 2503.16351).

Read from top to bottom, it is the whole model:

    letters -> linear -> PGC(16) -> PGC(128) -> [norm -> S4D -> dropout -> + residual] -> mean -> linear

Letters in shapes: B batch, L length, H hidden_size, N state_size, E width of a PGC, O outputs, V vocabulary, M members.

M is there in an ensemble alone, whose parameters have it as their first dimension; a single model has neither that
dimension nor any trace of it. Where vectors enter or leave the model, members stand side by side: (B, L, M * H).

Padding: a position that is padding is set to zero before everything that mixes positions (the depthwise convolutions,
S4D, the pool), so that nothing of it reaches a real position, wherever it lies and however much of it there is.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from huggingface_hub import CommitInfo
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils.generic import can_return_tuple

from .alphabets import PAD_ID, UNK_ID, get_alphabet
from .composition import composition_of, membership_of
from .configuration_lyra import LyraConfig
from .convolution import LyraS4DConvolution
from .dropout import drop_channels, gated_dropout
from .fused import rms_norm
from .heads import LyraHead, LyraSequenceOutput, LyraTokenOutput
from .intervals import LyraIntervals
from .labels import LyraLabelScale
from .members import (
    MemberConv1d,
    MemberLinear,
    Model,
    depthwise_convolution,
    join_members,
    linear,
    member_shape,
    put_together,
    split_members,
    take_apart,
)
from .precision import at_least_float32
from .publishing import complete, pickles_refused, push, push_options
from .site_weights import LyraSiteWeights
from .words import read as read_words
from .words import serve as words_serve


class LyraRMSNorm(nn.Module):
    """Root-mean-square norm over the last dimension (Zhang & Sennrich 2019), computed in float32 or better."""

    def __init__(self, size: int, eps: float, members: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(member_shape(members, size)))
        self.eps = eps

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Norm (M, ..., size) along its last dimension."""
        return rms_norm(hidden_states, self.weight, self.eps)


class LyraEmbedding(nn.Module):
    """The encoder: a linear map of each letter's composition over the alphabet.

    A letter is one-hot, an ambiguity code the even mixture of what it stands for, padding is zero. As there are only as
    many different inputs as token ids, the map is applied to the table of compositions and its rows are looked up.
    """

    membership: Tensor

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        letters = config.num_letters * (2 if config.pair_input else 1)
        channels = member_shape(config.ensemble_size, config.hidden_size)
        self.weight = nn.Parameter(torch.empty(*channels, letters))
        self.bias = nn.Parameter(torch.empty(channels))
        self.alphabet = config.alphabet
        self.register_buffer("membership", self.make_membership(), persistent=False)

    def make_membership(self) -> Tensor:
        """Which letters each token id may stand for: (V, letters) of 0 and 1."""
        return membership_of(self.alphabet)

    def forward(self, input_ids: Tensor, pair_ids: Tensor | None = None) -> Tensor:
        """Embed (B, L) token ids, of a pair both sequences', as (B, L, M * H)."""
        composition = composition_of(self.membership, self.weight.dtype)  # (V, letters)
        weight, bias = self.weight.flatten(0, -2), self.bias.flatten()  # (M, H, letters) -> (M * H, letters)
        if pair_ids is None:
            return F.embedding(input_ids, F.linear(composition, weight, bias))
        first, second = weight.chunk(2, dim=-1)
        table = F.linear(composition, first, bias)
        return F.embedding(input_ids, table) + F.embedding(pair_ids, F.linear(composition, second))


class LyraPGC(nn.Module):
    """Projected gated convolution: each position multiplied with a short convolution over its neighbours.

    Without its norms it is exactly a polynomial of degree 2 in the letters within `conv_kernel // 2` of a position,
    which is where the model's epistasis comes from (paper, section on PGC).
    """

    def __init__(self, config: LyraConfig, width: int) -> None:
        super().__init__()
        self.members = config.ensemble_size
        self.in_proj = linear(self.members, config.hidden_size, 2 * width)
        self.in_norm = LyraRMSNorm(2 * width, config.rms_norm_eps, self.members)
        self.conv = depthwise_convolution(self.members, width, config.conv_kernel)
        self.out_proj = linear(self.members, width, config.hidden_size)
        self.out_norm = LyraRMSNorm(config.hidden_size, config.rms_norm_eps, self.members)

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """Map (M, B, L, H) to (M, B, L, H); `mask` (B, L, 1) is 1 at real positions and 0 at padding."""
        x, v = self.in_norm(self.in_proj(hidden_states)).chunk(2, dim=-1)  # each (M, B, L, E)
        x = join_members(x * mask, self.members)  # (M, B, L, E) -> (B, L, M * E)
        x = self.conv(x.transpose(1, 2)).transpose(1, 2)  # (B, L, M * E) -> (B, M * E, L) -> (B, L, M * E)
        return self.out_norm(self.out_proj(v * split_members(x, self.members)))


class LyraS4DLayer(GradientCheckpointingLayer):
    """norm -> S4D -> GELU -> dropout of channels -> linear and gate -> dropout, added to the norm's input."""

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        self.norm = LyraRMSNorm(config.hidden_size, config.rms_norm_eps, config.ensemble_size)
        self.convolution = LyraS4DConvolution(config)
        self.backward_convolution = LyraS4DConvolution(config) if config.bidirectional else None
        self.output_linear = linear(config.ensemble_size, config.hidden_size, 2 * config.hidden_size)
        self.dropout = config.dropout

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """Map (M, B, L, H) to (M, B, L, H); `mask` (B, L, 1) is 1 at real positions and 0 at padding."""
        u = self.norm(hidden_states) * mask
        y = self.convolution(u)
        if self.backward_convolution is not None:
            y = y + self.backward_convolution(u, reverse=True)
        y = drop_channels(F.gelu(y).to(hidden_states.dtype), self.dropout, training=self.training)
        # Rows of positions, laid out as the convolution left them: turned by the product itself, not before it.
        y = self.output_linear(y.flatten(-3, -2)).unflatten(-2, y.shape[-3:-1])  # (M, B * L, H) -> (M, B, L, 2H)
        return hidden_states + gated_dropout(y, self.dropout, training=self.training)


class LyraPooler(nn.Module):
    """Makes one vector of a sequence's real positions; a sequence of padding alone gives zeros."""

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.attention = None
        if config.pooling == "attention":
            self.attention = linear(config.ensemble_size, config.hidden_size, 1, bias=False)
        self.position_weight = None
        if config.pooling == "position":
            shape = member_shape(config.ensemble_size, config.num_positions, config.hidden_size)
            self.position_weight = nn.Parameter(torch.zeros(shape))

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """Pool (M, B, L, H) to (M, B, H), in float32 or better; `mask` (B, L, 1) is 1 at real positions."""
        x = at_least_float32(hidden_states)
        mask = mask.to(x.dtype)
        if self.pooling == "mean":
            return (x * mask).sum(-2) / mask.sum(-2).clamp(min=1)
        if self.pooling == "max":
            return x.masked_fill(mask == 0, -torch.inf).amax(-2).masked_fill(mask.amax(-2) == 0, 0)
        if self.attention is not None:
            scores = at_least_float32(self.attention(hidden_states)).masked_fill(mask == 0, torch.finfo(x.dtype).min)
            return (x * mask * scores.softmax(-2)).sum(-2)  # scores (M, B, L, 1)
        if self.position_weight is not None:
            weighted = x * mask * (1 + self.weight_of(mask))
            return weighted.sum(-2) / mask.sum(-2).clamp(min=1)
        # "last": the real position that no real position follows.
        followers = mask.flip(1).cumsum(1).flip(1)  # real positions from here to the end, this one included
        return (x * mask * (followers == 1)).sum(-2)

    def weight_of(self, mask: Tensor) -> Tensor:
        """What is added to the weight 1 at each position of the pooling "position": (M, B or 1, L, H)."""
        assert self.position_weight is not None
        positions, length = self.position_weight.shape[-2], mask.shape[1]
        weight = at_least_float32(self.position_weight)
        number = mask.squeeze(-1).cumsum(1).long() - 1  # (B, L), counted from the first real position
        in_line = torch.arange(length, device=mask.device)
        # Where no row has padding before a letter, a slice does what else is a look-up of every position.
        if not torch.compiler.is_compiling() and bool(((number == in_line) | (mask.squeeze(-1) == 0)).all()):
            return F.pad(weight, (0, 0, 0, max(0, length - positions)))[..., :length, :].unsqueeze(-3)
        rows = number.clamp(min=0, max=positions)  # after the last a row of zeros
        return F.pad(weight, (0, 0, 0, 1)).index_select(-2, rows.flatten()).unflatten(-2, rows.shape)


class LyraPreTrainedModel(PreTrainedModel):
    """What all Lyra models share: configuration, initial values, and which tensors stay in float32."""

    config: LyraConfig
    base_model_prefix = "lyra"
    main_input_name = "input_ids"
    input_modalities = ("text",)
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # losses are means over the labels that count, also when gradients are accumulated
    _no_split_modules: ClassVar = ["LyraS4DLayer"]
    _keep_in_fp32_modules_strict: set[str] = {  # noqa: RUF012 - never changed: models narrow it for themselves
        "convolution",
        "backward_convolution",
        "label_scale",
        "intervals",
        "site_weights",
    }

    def post_init(self) -> None:
        """End the making of a model: of what stays at float32, only what it has."""
        super().post_init()
        there = {part for name, _ in self.named_modules() for part in name.split(".")}
        self._keep_in_fp32_modules_strict = self._keep_in_fp32_modules_strict & there

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initial values as the authors have them: PyTorch's own for linear maps and convolutions, S4D-Lin for S4D.

        Each member of an ensemble has its own, drawn as those of a single model.
        """
        if isinstance(module, nn.Linear | nn.Conv1d | MemberLinear | MemberConv1d | LyraEmbedding):
            of_one_output = module.weight[0] if self.config.ensemble_size == 1 else module.weight[0, 0]
            bound = 1 / math.sqrt(of_one_output.numel())
            init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                init.uniform_(module.bias, -bound, bound)
        if isinstance(module, LyraEmbedding):
            init.copy_(module.membership, module.make_membership())
        elif isinstance(module, LyraRMSNorm):
            init.ones_(module.weight)
        elif isinstance(module, LyraS4DConvolution):
            low, high = module.time_step_range
            init.uniform_(module.log_dt, math.log(low), math.log(high))
            init.constant_(module.log_A_real, math.log(0.5))
            frequencies = math.pi * torch.arange(module.A_imag.shape[-1], dtype=torch.float64)
            init.copy_(module.A_imag, frequencies.expand_as(module.A_imag))
            init.normal_(module.C, std=math.sqrt(0.5))  # complex normal of variance 1
            init.normal_(module.D)
        elif isinstance(module, LyraPooler) and module.position_weight is not None:
            init.zeros_(module.position_weight)
        elif isinstance(module, LyraLabelScale):
            init.zeros_(module.mean)
            init.ones_(module.std)
            init.zeros_(module.floor)
            init.copy_(module.knots, module.rank_scores().unsqueeze(-1).expand_as(module.knots))
        elif isinstance(module, LyraIntervals):
            module.reset()
        elif isinstance(module, LyraSiteWeights):
            init.zeros_(module.weight)
            init.copy_(module.membership, module.make_membership())

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """The number of parameters, site weights among them: they are buffers, but fitted to labels as parameters are.

        They are counted once, as the members of an ensemble share them, and in any case, as they are always fitted.

        Args:
            only_trainable: leave out parameters that are frozen.
            exclude_embeddings: leave out the embeddings, as transformers tells them.
        """
        of_sites = sum(module.weight.numel() for module in self.modules() if isinstance(module, LyraSiteWeights))
        return super().num_parameters(only_trainable, exclude_embeddings) + of_sites

    @classmethod
    def from_pretrained(cls: type[Model], pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As transformers' own, but from safetensors alone: a pickle can run any code when it is read."""
        with pickles_refused(pretrained_model_name_or_path):
            kwargs["use_safetensors"] = True
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)  # type: ignore[misc]

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        is_main_process: bool = True,
        state_dict: dict[str, Tensor] | None = None,
        push_to_hub: bool = False,
        *args: Any,
        with_code: bool = True,
        **kwargs: Any,
    ) -> None:
        """Write a folder that loads anywhere: weights and configuration, tokenizer and card, and the code.

        Args:
            save_directory: the folder. A card in it that somebody wrote stays.
            is_main_process: as for transformers' own, as is what is not told here.
            state_dict: the weights, if not the model's.
            push_to_hub: put all of it up on the Hub too, as `push_to_hub` does, whose arguments can be given.
            *args: as for transformers' own.
            with_code: False for weights and configuration alone, as in the checkpoints of a training.
            **kwargs: as for transformers' own.
        """
        of_push = push_options(save_directory, kwargs) if push_to_hub else {}
        super().save_pretrained(save_directory, is_main_process, state_dict, False, *args, **kwargs)
        if is_main_process and with_code:
            complete(self, Path(save_directory))
        if is_main_process and push_to_hub:
            push(self, **of_push)

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> CommitInfo:
        """Put up on the Hub, in one commit, what `save_pretrained` writes.

        Args:
            repo_id: ORG/NAME, or NAME for one's own.
            **kwargs: as for transformers' own: `commit_message`, `commit_description`, `private`, `token`, `revision`,
                `create_pr`, `max_shard_size`, `tags`.
        """
        return push(self, repo_id, **kwargs)

    def members(self: Model) -> list[Model]:
        """The members of an ensemble as models of their own, with copies of their tensors; of a single model itself."""
        return [self] if self.config.ensemble_size == 1 else take_apart(self)

    @classmethod
    def from_members(cls: type[Model], models: Sequence["LyraPreTrainedModel"]) -> Model:
        """The ensemble of some models, each single or an ensemble itself, with copies of their tensors.

        Raises:
            ValueError: the members are fewer than two, or differ in their configuration, label scale or site weights.
        """
        return put_together(cls, [member for model in models for member in model.members()])


class LyraModel(LyraPreTrainedModel):
    """The Lyra encoder: token ids in, a vector per position and a pooled vector per sequence out."""

    complement_ids: Tensor
    # The heads of checkpoints that have one.
    _keys_to_ignore_on_load_unexpected: ClassVar = [r"^classifier\.", r"^site_weights\."]

    def __init__(self, config: LyraConfig) -> None:
        super().__init__(config)
        self.encoder = LyraEmbedding(config)
        self.pgc = nn.ModuleList(LyraPGC(config, width) for width in config.pgc_hidden_sizes)
        self.layers = nn.ModuleList(LyraS4DLayer(config) for _ in range(config.num_hidden_layers))
        self.pooler = LyraPooler(config)
        if config.reverse_complement:
            self.register_buffer("complement_ids", self.make_complement_ids(), persistent=False)
        self.post_init()

    def make_complement_ids(self) -> Tensor:
        """Token id -> token id of the complement: (V,)."""
        return torch.tensor(get_alphabet(self.config.alphabet).complement_ids)

    def get_input_embeddings(self) -> nn.Module:
        """The encoder, the linear map of the letters' compositions."""
        return self.encoder

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, LyraModel) and module.config.reverse_complement:
            init.copy_(module.complement_ids, module.make_complement_ids())

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling:
        """Run the model.

        Args:
            input_ids: (B, L) token ids; for a model of pairs (B, 2L), the first sequence's letters and then the
                second's, which are fewer by twice the `pair_context`.
            attention_mask: (B, L) or (B, 2L) like `input_ids`, 1 at real positions, 0 at padding. Without it every id
                but that of [PAD] is real. A position whose id is that of [PAD] is padding in any case.
            inputs_embeds: (B, L, M * H), the encoder's output, in place of `input_ids`.
            output_hidden_states: return the input of the first S4D layer and the output of each, too.
            **kwargs: `return_dict`.

        Returns:
            `last_hidden_state` (B, L, M * H), zero at padding, and `pooler_output` (B, M * H), the members' vectors
            side by side; of a model that averages over strands, the averages.

        Raises:
            ValueError: not exactly one of `input_ids` and `inputs_embeds` is given, they have no position at all, or
                embeddings are given to a model that averages over strands.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        if inputs_embeds is not None:
            if self.config.reverse_complement:
                raise ValueError("a model with reverse_complement needs input_ids: embeddings have no complement")
            everywhere = torch.ones(inputs_embeds.shape[:2], dtype=torch.bool, device=inputs_embeds.device)
            mask = everywhere if attention_mask is None else attention_mask != 0
            return self._output(*self.encode(inputs_embeds, mask), output_hidden_states)

        assert input_ids is not None
        first, second, mask = real_letters(self.config, input_ids, attention_mask)
        states, pooled = self.mix(self.read(first, second, mask), mask)
        if self.config.reverse_complement:
            other_ids = self.complement_ids[input_ids].flip(1)
            other_states, other_pooled = self.mix(self.read(other_ids, None, mask.flip(1)), mask.flip(1))
            states = [(state + other.flip(-2)) / 2 for state, other in zip(states, other_states, strict=True)]
            pooled = (pooled + other_pooled) / 2
        return self._output(states, pooled, output_hidden_states)

    def read(self, input_ids: Tensor, pair_ids: Tensor | None, mask: Tensor) -> Tensor:
        """Encoder and PGCs: from token ids (B, L), of a pair both sequences', and a mask (B, L) to (M, B, L, H)."""
        if words_serve(self.encoder, self.pgc, input_ids):  # the same numbers, from each distinct word of letters once
            return read_words(self.encoder, self.pgc, input_ids, pair_ids, mask)
        return self.gate(self.encoder(input_ids, pair_ids), mask)

    def gate(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """The PGCs, position by position: embeddings (B, L, M * H) and a mask (B, L) -> (M, B, L, H)."""
        mask = mask.unsqueeze(-1).to(embeddings.dtype)  # (B, L) -> (B, L, 1)
        hidden_states = split_members(embeddings, self.config.ensemble_size)  # (B, L, M * H) -> (M, B, L, H)
        for pgc in self.pgc:
            hidden_states = pgc(hidden_states, mask)
        return hidden_states

    def mix(self, hidden_states: Tensor, mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """S4D layers and pool: (M, B, L, H) and a mask (B, L) -> what `encode` gives."""
        if hidden_states.shape[-2] == 0:
            raise ValueError("the sequences are empty: there is no letter to read")
        mask = mask.unsqueeze(-1).to(hidden_states.dtype)  # (B, L) -> (B, L, 1)
        states = [hidden_states]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        pooled = self.pooler(states[-1], mask).to(hidden_states.dtype)
        states[-1] = states[-1] * mask
        return states, pooled

    def encode(self, embeddings: Tensor, mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """From embeddings (B, L, M * H) and a mask (B, L) to the vectors of every depth.

        Returns:
            The input of the first S4D layer and the output of each (M, B, L, H), the last zero at padding; and the
            pooled vectors (M, B, H).
        """
        return self.mix(self.gate(embeddings, mask), mask)

    def _output(
        self, states: list[Tensor], pooled: Tensor, output_hidden_states: bool | None
    ) -> BaseModelOutputWithPooling:
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        members = self.config.ensemble_size
        return BaseModelOutputWithPooling(  # (M, B, L, H) -> (B, L, M * H)
            last_hidden_state=join_members(states[-1], members),
            pooler_output=join_members(pooled, members),
            hidden_states=tuple(join_members(state, members) for state in states) if wanted else None,
        )


def real_positions(input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Where there is a letter: (B, L), true at positions that no mask excludes and that are not [PAD]."""
    mask = input_ids != PAD_ID
    return mask if attention_mask is None else mask & (attention_mask != 0)


def real_letters(
    config: LyraConfig, input_ids: Tensor, attention_mask: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Token ids (B, L) as they are read, of pairs the second sequences' (B, L), too, and where there is a letter."""
    mask = real_positions(input_ids, attention_mask)
    return split_pair(input_ids, mask, config.pair_context) if config.pair_input else (input_ids, None, mask)


def split_pair(input_ids: Tensor, mask: Tensor, context: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Cut rows of two sequences, one behind the other, with padding at either side.

    Args:
        input_ids: (B, 2L - 2 * context) token ids.
        mask: shaped like `input_ids`, true at real positions.
        context: letters by which the first sequence reaches beyond the second on either side.

    Returns:
        The first sequences and the second (B, L), aligned letter by letter from the left, and their mask (B, L). The
        second is unknown in the context.
    """
    length = (input_ids.shape[1] + 1) // 2 + context
    start = mask.long().argmax(1, keepdim=True)  # (B, 1): padding on the left
    letters = mask.sum(1, keepdim=True)  # (B, 1)
    size = (letters // 2 + context) * (letters > 0)  # (B, 1): letters of the first sequence
    position = torch.arange(length, device=input_ids.device).unsqueeze(0)  # (1, L)
    last = input_ids.shape[1] - 1
    first = input_ids.gather(1, (start + position).clamp(max=last))
    second = input_ids.gather(1, (start + size + position - context).clamp(min=0, max=last))
    if context:
        second = second.masked_fill((position < context) | (position >= size - context), UNK_ID)
    return first, second, position < size


class LyraForSequenceClassification(LyraPreTrainedModel):
    """Lyra with a head on the pooled vector: classes, several labels at once, or one or more numbers per sequence."""

    def __init__(self, config: LyraConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.lyra = LyraModel(config)
        self.classifier = LyraHead(config)
        self.site_weights = LyraSiteWeights(config) if config.site_weights else None
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        class_weights: Tensor | None = None,
        **kwargs: Any,
    ) -> LyraSequenceOutput:
        """Score sequences.

        Args:
            input_ids: as in `LyraModel`.
            attention_mask: as in `LyraModel`.
            inputs_embeds: as in `LyraModel`; not with site weights.
            labels: (B,) class numbers, -100 where missing; (B, O) of 0 and 1 for several labels at once; or (B,) or
                (B, O) numbers in their own units, NaN where missing.
            class_weights: (O,), weights of the classes in the loss.
            **kwargs: `output_hidden_states`, `return_dict`.

        Returns:
            `logits` (B, O): for regression predictions in the labels' own units; and `loss`, if there are labels. Of an
            ensemble `logits` is the members' mean and `spread` (B, O) their standard deviation, and `loss` is as
            `LyraHead.loss` says. Of a regression with intervals `lower` and `upper` (B, O) are their ends.

        Raises:
            ValueError: as in `LyraModel`; or embeddings are given to a model with site weights.
        """
        if self.site_weights is not None and inputs_embeds is not None:
            raise ValueError("a model with site_weights needs input_ids: site weights read letters, not embeddings")
        outputs = self.lyra(input_ids, attention_mask, inputs_embeds, return_dict=True, **kwargs)
        site_scores = None
        if self.site_weights is not None:
            assert input_ids is not None
            site_scores = self.site_weights(*real_letters(self.config, input_ids, attention_mask))
        found = self.classifier(outputs.pooler_output, labels, class_weights=class_weights, site_scores=site_scores)
        return LyraSequenceOutput(hidden_states=outputs.hidden_states, **found._asdict())


class LyraForRegression(LyraForSequenceClassification):
    """`LyraForSequenceClassification` for one or more numbers per sequence.

    A checkpoint of it loads through `AutoModelForSequenceClassification` with the same results.
    """

    def __init__(self, config: LyraConfig) -> None:
        if config.problem_type not in (None, "regression"):
            raise ValueError(f"LyraForRegression needs problem_type 'regression', not {config.problem_type!r}")
        config.problem_type = "regression"
        super().__init__(config)


class LyraForTokenClassification(LyraPreTrainedModel):
    """Lyra with a head on every position: classes, several labels at once, or one or more numbers per residue.

    transformers' own pipeline "token-classification" reads every head as classes; for numbers and for several labels at
    once use `Predictor`.
    """

    def __init__(self, config: LyraConfig) -> None:
        if config.site_weights:
            raise ValueError("site_weights is for a head per sequence; LyraForTokenClassification has one per residue")
        super().__init__(config)
        self.num_labels = config.num_labels
        self.lyra = LyraModel(config)
        self.classifier = LyraHead(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        class_weights: Tensor | None = None,
        **kwargs: Any,
    ) -> LyraTokenOutput:
        """Score every residue.

        Args:
            input_ids: as in `LyraModel`.
            attention_mask: as in `LyraModel`.
            inputs_embeds: as in `LyraModel`.
            labels: (B, L) class numbers, -100 where missing; or (B, L, O), (B, L) numbers, NaN where missing. What
                stands at padding does not count.
            class_weights: (O,), weights of the classes in the loss.
            **kwargs: `output_hidden_states`, `return_dict`.

        Returns:
            `logits` (B, L, O), and `loss`, if there are labels; of an ensemble as in `LyraForSequenceClassification`.
        """
        outputs = self.lyra(input_ids, attention_mask, inputs_embeds, return_dict=True, **kwargs)
        mask = None
        if labels is not None:
            mask = self.label_mask(input_ids, attention_mask, labels)
        found = self.classifier(outputs.last_hidden_state, labels, mask, class_weights)
        return LyraTokenOutput(hidden_states=outputs.hidden_states, **found._asdict())

    def label_mask(self, input_ids: Tensor | None, attention_mask: Tensor | None, labels: Tensor) -> Tensor:
        """Where a label can count: (B, L), true at real positions."""
        if input_ids is None:
            everywhere = torch.ones(labels.shape[:2], dtype=torch.bool, device=labels.device)
            return everywhere if attention_mask is None else attention_mask != 0
        return real_letters(self.config, input_ids, attention_mask)[2]
