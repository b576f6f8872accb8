# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Lyra: two projected gated convolutions, S4D, a pool and a linear head (Ramesh et al. 2025, arXiv 2503.16351).

Read from top to bottom, it is the whole model:

    letters -> linear -> PGC(16) -> PGC(128) -> [norm -> S4D -> dropout -> + residual] -> mean -> linear

Letters in shapes: B batch, L length, H hidden_size, N state_size, E width of a PGC, O outputs, V vocabulary.

Padding: a position that is padding is set to zero before everything that mixes positions (the depthwise convolutions,
S4D, the pool), so that nothing of it reaches a real position, wherever it lies and however much of it there is.
"""

import math
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput, TokenClassifierOutput
from transformers.utils.generic import can_return_tuple

from .alphabets import PAD_ID, get_alphabet
from .configuration_lyra import LyraConfig
from .fused import gated_dropout, rms_norm
from .labels import IGNORE_INDEX, LyraLabelScale, classification_loss, decide_problem_type, regression_loss
from .precision import Float32Floor, at_least_float32, identical
from .ssm import (
    Modes,
    chunked_scan,
    convolution_path,
    discretize,
    fft_convolution,
    s4d_kernel,
    toeplitz_convolution,
    toeplitz_matrix,
)
from .words import read as read_words
from .words import serve as words_serve


class LyraRMSNorm(nn.Module):
    """Root-mean-square norm over the last dimension (Zhang & Sennrich 2019), computed in float32 or better."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Norm (..., size) along its last dimension."""
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
        self.weight = nn.Parameter(torch.empty(config.hidden_size, letters))
        self.bias = nn.Parameter(torch.empty(config.hidden_size))
        self.alphabet = config.alphabet
        self.register_buffer("membership", self.make_membership(), persistent=False)

    def make_membership(self) -> Tensor:
        """Which letters each token id may stand for: (V, letters) of 0 and 1, which every precision holds exactly."""
        return (torch.tensor(get_alphabet(self.alphabet).composition) > 0).float()

    def forward(self, input_ids: Tensor, pair_ids: Tensor | None = None) -> Tensor:
        """Embed (B, L) token ids, of a pair both members, as (B, L, H)."""
        membership = self.membership.to(self.weight.dtype)
        composition = membership / membership.sum(-1, keepdim=True).clamp(min=1)  # rows sum to 1, that of padding to 0
        if pair_ids is None:
            return F.embedding(input_ids, F.linear(composition, self.weight, self.bias))
        first, second = self.weight.chunk(2, dim=-1)
        table = F.linear(composition, first, self.bias)
        return F.embedding(input_ids, table) + F.embedding(pair_ids, F.linear(composition, second))


class LyraPGC(nn.Module):
    """Projected gated convolution: each position multiplied with a short convolution over its neighbours.

    Without its norms it is exactly a polynomial of degree 2 in the letters within `conv_kernel // 2` of a position,
    which is where the model's epistasis comes from (paper, section on PGC).
    """

    def __init__(self, config: LyraConfig, width: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(config.hidden_size, 2 * width)
        self.in_norm = LyraRMSNorm(2 * width, config.rms_norm_eps)
        self.conv = nn.Conv1d(width, width, config.conv_kernel, padding=config.conv_kernel // 2, groups=width)
        self.out_proj = nn.Linear(width, config.hidden_size)
        self.out_norm = LyraRMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """Map (B, L, H) to (B, L, H); `mask` (B, L, 1) is 1 at real positions and 0 at padding."""
        x, v = self.in_norm(self.in_proj(hidden_states)).chunk(2, dim=-1)  # each (B, L, E)
        x = self.conv((x * mask).transpose(1, 2)).transpose(1, 2)  # (B, L, E) -> (B, E, L) -> (B, L, E)
        return self.out_norm(self.out_proj(v * x))


class _KernelCache(NamedTuple):
    """What was made of some values of the parameters: modes, the longest kernel and the largest Toeplitz matrix."""

    parameters: tuple[Tensor, ...]
    modes: Modes
    kernel: Tensor | None = None
    matrix: Tensor | None = None


class LyraS4DConvolution(Float32Floor):
    """The linear, causal part of S4D: u -> K * u + D u, in float32 or better.

    The kernel depends on the parameters alone. In evaluation it is kept from one call to the next, and made anew as
    soon as a parameter has another value.
    """

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        channels, num_modes = config.hidden_size, config.state_size // 2
        self.time_step_range = (config.time_step_min, config.time_step_max)
        self.log_dt = nn.Parameter(torch.empty(channels))
        self.log_A_real = nn.Parameter(torch.empty(channels, num_modes))
        self.A_imag = nn.Parameter(torch.empty(channels, num_modes))
        self.C = nn.Parameter(torch.empty(channels, num_modes, 2))
        self.D = nn.Parameter(torch.empty(channels))
        self._cache: _KernelCache | None = None

    def forward(self, u: Tensor, *, reverse: bool = False) -> Tensor:
        """Convolve (B, L, H) along L, from the end towards the start if `reverse`; padding must already be zero."""
        with torch.autocast(device_type=u.device.type, enabled=False):
            x = u.to(self.D.dtype)
            x = x.flip(1) if reverse else x
            # (B, L, H) -> (B * L, H) -> (H, B * L) -> (H, B, L), in two dimensions for their faster copy
            x = x.flatten(0, 1).t().contiguous().unflatten(1, x.shape[:2])
            y = self.convolve(x).permute(1, 2, 0)  # (H, B, L) -> (B, L, H)
            return y.flip(1) if reverse else y

    def modes(self) -> Modes:
        """The discretised modes that the parameters describe."""
        return discretize(self.log_dt, self.log_A_real, self.A_imag, self.C)

    def convolve(self, u: Tensor) -> Tensor:
        """K * u + D u of u (H, B, L), by the way that suits the length; a kernel has D in its first value."""
        length = u.shape[-1]
        path = convolution_path(length, gradients=torch.is_grad_enabled())
        anew = torch.is_grad_enabled() or self.training or torch.compiler.is_compiling()
        if path == "scan":
            y, _ = chunked_scan(u, self.modes() if anew else self.cache().modes)
            return torch.addcmul(y, self.D[:, None, None], u)
        if path == "fft":
            return fft_convolution(u, self.kernel(self.modes(), length) if anew else self.cached_kernel(length))
        matrix = toeplitz_matrix(self.kernel(self.modes(), length)) if anew else self.cached_matrix(length)
        return toeplitz_convolution(u, matrix)

    def kernel(self, modes: Modes, length: int) -> Tensor:
        """What an input of 1 adds to the output 0 ... length-1 positions later: (H, length)."""
        return s4d_kernel(modes, length) + F.pad(self.D.unsqueeze(-1), (0, length - 1))

    def cache(self) -> _KernelCache:
        """What is kept, if the parameters have the values it was made from; else begun anew.

        Values are compared rather than version counters, which do not see a change made through `parameter.data`.
        """
        parameters = (self.log_dt, self.log_A_real, self.A_imag, self.C, self.D)
        if self._cache is None or not all(map(identical, parameters, self._cache.parameters)):
            copies = tuple(parameter.detach().clone() for parameter in parameters)
            self._cache = _KernelCache(copies, self.modes())
        return self._cache

    def cached_kernel(self, length: int) -> Tensor:
        """The kernel (H, length), cut from the longest one kept."""
        cache = self.cache()
        kernel = cache.kernel
        if kernel is None or kernel.shape[-1] < length:
            kernel = self.kernel(cache.modes, length)
            self._cache = cache._replace(kernel=kernel)
        return kernel[:, :length]

    def cached_matrix(self, length: int) -> Tensor:
        """The Toeplitz matrix (H, length, length), a corner of the largest one kept."""
        matrix = self.cache().matrix
        if matrix is None or matrix.shape[-1] < length:
            matrix = toeplitz_matrix(self.cached_kernel(length))
            self._cache = self.cache()._replace(matrix=matrix)
        return matrix[:, :length, :length]

    def __getstate__(self) -> dict[str, Any]:
        """What is copied or serialised: everything but the kernel, which is made again."""
        return {**self.__dict__, "_cache": None}


class LyraS4DLayer(GradientCheckpointingLayer):
    """norm -> S4D -> GELU -> dropout of channels -> linear and gate -> dropout, added to the norm's input."""

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        self.norm = LyraRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.convolution = LyraS4DConvolution(config)
        self.backward_convolution = LyraS4DConvolution(config) if config.bidirectional else None
        self.output_linear = nn.Linear(config.hidden_size, 2 * config.hidden_size)
        self.dropout = config.dropout

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """Map (B, L, H) to (B, L, H); `mask` (B, L, 1) is 1 at real positions and 0 at padding."""
        u = self.norm(hidden_states) * mask
        y = self.convolution(u)
        if self.backward_convolution is not None:
            y = y + self.backward_convolution(u, reverse=True)
        y = F.gelu(y).to(hidden_states.dtype)
        if self.training and self.dropout > 0:  # the same channels are dropped at every position
            y = y * F.dropout(y.new_ones(y.shape[0], 1, y.shape[2]), self.dropout)
        # Rows of positions, laid out as the convolution left them: turned by the product itself, not before it.
        y = self.output_linear(y.flatten(0, 1)).unflatten(0, hidden_states.shape[:2])  # (B * L, H) -> (B, L, 2H)
        return hidden_states + gated_dropout(y, self.dropout, training=self.training)


class LyraPooler(nn.Module):
    """Makes one vector of a sequence's real positions; a sequence of padding alone gives zeros."""

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.attention = nn.Linear(config.hidden_size, 1, bias=False) if config.pooling == "attention" else None

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """Pool (B, L, H) to (B, H), in float32 or better; `mask` (B, L, 1) is 1 at real positions."""
        x = at_least_float32(hidden_states)
        mask = mask.to(x.dtype)
        if self.pooling == "mean":
            return (x * mask).sum(1) / mask.sum(1).clamp(min=1)
        if self.pooling == "max":
            return x.masked_fill(mask == 0, -torch.inf).amax(1).masked_fill(mask.amax(1) == 0, 0)
        if self.attention is not None:
            scores = at_least_float32(self.attention(hidden_states)).masked_fill(mask == 0, torch.finfo(x.dtype).min)
            return (x * mask * scores.softmax(1)).sum(1)
        # "last": the real position that no real position follows.
        followers = mask.flip(1).cumsum(1).flip(1)  # real positions from here to the end, this one included
        return (x * mask * (followers == 1)).sum(1)


class LyraPreTrainedModel(PreTrainedModel):
    """What all Lyra models share: configuration, initial values, and which tensors stay in float32."""

    config: LyraConfig
    base_model_prefix = "lyra"
    main_input_name = "input_ids"
    input_modalities = ("text",)
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # losses are means over the labels that count, also when gradients are accumulated
    _no_split_modules: ClassVar = ["LyraS4DLayer"]
    _keep_in_fp32_modules_strict: ClassVar = {"convolution", "backward_convolution", "label_scale"}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initial values as the authors have them: PyTorch's own for linear maps and convolutions, S4D-Lin for S4D."""
        if isinstance(module, nn.Linear | nn.Conv1d | LyraEmbedding):
            init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            if module.bias is not None:
                bound = 1 / math.sqrt(module.weight[0].numel())
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
        elif isinstance(module, LyraLabelScale):
            init.zeros_(module.mean)
            init.ones_(module.std)
            init.zeros_(module.floor)
            init.copy_(module.knots, module.rank_scores().unsqueeze(-1).expand_as(module.knots))


class LyraModel(LyraPreTrainedModel):
    """The Lyra encoder: token ids in, a vector per position and a pooled vector per sequence out."""

    complement_ids: Tensor
    _keys_to_ignore_on_load_unexpected: ClassVar = [r"^classifier\."]  # the heads of checkpoints that have one

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
                second's.
            attention_mask: (B, L) or (B, 2L) like `input_ids`, 1 at real positions, 0 at padding. Without it every id
                but that of [PAD] is real. A position whose id is that of [PAD] is padding in any case.
            inputs_embeds: (B, L, H), the encoder's output, in place of `input_ids`.
            output_hidden_states: return the input of the first S4D layer and the output of each, too.
            **kwargs: `return_dict`.

        Returns:
            `last_hidden_state` (B, L, H), zero at padding, and `pooler_output` (B, H); of a model that averages over
            strands, the averages.

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
        mask = real_positions(input_ids, attention_mask)
        if self.config.pair_input:
            first, second, mask = split_pair(input_ids, mask)
            return self._output(*self.mix(self.read(first, second, mask), mask), output_hidden_states)
        states, pooled = self.mix(self.read(input_ids, None, mask), mask)
        if self.config.reverse_complement:
            other_ids = self.complement_ids[input_ids].flip(1)
            other_states, other_pooled = self.mix(self.read(other_ids, None, mask.flip(1)), mask.flip(1))
            states = [(state + other.flip(1)) / 2 for state, other in zip(states, other_states, strict=True)]
            pooled = (pooled + other_pooled) / 2
        return self._output(states, pooled, output_hidden_states)

    def read(self, input_ids: Tensor, pair_ids: Tensor | None, mask: Tensor) -> Tensor:
        """Encoder and PGCs: from token ids (B, L), of a pair both members', and a mask (B, L) to (B, L, H)."""
        if words_serve(self.encoder, self.pgc, input_ids):  # the same numbers, from each distinct word of letters once
            return read_words(self.encoder, self.pgc, input_ids, pair_ids, mask)
        return self.gate(self.encoder(input_ids, pair_ids), mask)

    def gate(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """The PGCs, position by position: (B, L, H) and a mask (B, L) -> (B, L, H)."""
        mask = mask.unsqueeze(-1).to(hidden_states.dtype)  # (B, L) -> (B, L, 1)
        for pgc in self.pgc:
            hidden_states = pgc(hidden_states, mask)
        return hidden_states

    def mix(self, hidden_states: Tensor, mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """S4D layers and pool: (B, L, H) and a mask (B, L) -> what `encode` gives."""
        if hidden_states.shape[1] == 0:
            raise ValueError("the sequences are empty: there is no letter to read")
        mask = mask.unsqueeze(-1).to(hidden_states.dtype)  # (B, L) -> (B, L, 1)
        states = [hidden_states]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        pooled = self.pooler(states[-1], mask).to(hidden_states.dtype)
        states[-1] = states[-1] * mask
        return states, pooled

    def encode(self, hidden_states: Tensor, mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """From embeddings (B, L, H) and a mask (B, L) to the vectors of every depth.

        Returns:
            The input of the first S4D layer and the output of each (B, L, H), the last zero at padding; and the pooled
            vectors (B, H).
        """
        return self.mix(self.gate(hidden_states, mask), mask)

    def _output(
        self, states: list[Tensor], pooled: Tensor, output_hidden_states: bool | None
    ) -> BaseModelOutputWithPooling:
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        return BaseModelOutputWithPooling(
            last_hidden_state=states[-1], pooler_output=pooled, hidden_states=tuple(states) if wanted else None
        )


def real_positions(input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Where there is a letter: (B, L), true at positions that no mask excludes and that are not [PAD]."""
    mask = input_ids != PAD_ID
    return mask if attention_mask is None else mask & (attention_mask != 0)


def split_pair(input_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cut rows of two sequences of equal length, one behind the other, with padding at either side.

    Args:
        input_ids: (B, 2L) token ids.
        mask: (B, 2L), true at real positions.

    Returns:
        The first sequences and the second (B, L), aligned letter by letter from the left, and their mask (B, L).
    """
    length = (input_ids.shape[1] + 1) // 2
    start = mask.long().argmax(1, keepdim=True)  # (B, 1): padding on the left
    half = mask.sum(1, keepdim=True) // 2  # (B, 1): letters per sequence
    position = torch.arange(length, device=input_ids.device).unsqueeze(0)  # (1, L)
    last = input_ids.shape[1] - 1
    first = input_ids.gather(1, (start + position).clamp(max=last))
    second = input_ids.gather(1, (start + half + position).clamp(max=last))
    return first, second, position < half


class LyraHead(nn.Module):
    """A linear map to the outputs; for regression, on the labels' own scale."""

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        self.config = config
        self.linear = nn.Linear(config.hidden_size, config.num_labels)
        self.label_scale = LyraLabelScale(config)

    def forward(
        self,
        hidden_states: Tensor,
        labels: Tensor | None = None,
        mask: Tensor | None = None,
        class_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Predictions (..., O), and the loss if there are labels.

        Args:
            hidden_states: (..., H).
            labels: (...) or (..., O).
            mask: (...), true where a label can count.
            class_weights: (O,), for classification.
        """
        scores = self.linear(hidden_states)
        outputs = self.config.num_labels
        if labels is None:
            # A problem that is undecided yet is a regression if there is one output.
            decided = self.config.problem_type
            is_regression = decided == "regression" or (decided is None and outputs == 1)
            return (self.label_scale(scores) if is_regression else scores), None
        problem_type = self.config.problem_type = decide_problem_type(self.config, labels)
        rows = scores.reshape(-1, outputs)
        labels = labels.to(scores.device)
        if problem_type == "single_label_classification":
            if mask is not None:
                labels = labels.masked_fill(~mask, IGNORE_INDEX)
            return scores, classification_loss(rows, labels.reshape(-1), problem_type, class_weights)
        labels = at_least_float32(labels.to(torch.get_default_dtype()) if not labels.is_floating_point() else labels)
        if mask is not None:
            labels = labels.reshape(*mask.shape, -1).masked_fill(~mask.unsqueeze(-1), torch.nan)
        labels = labels.reshape(-1, outputs)
        if problem_type == "multi_label_classification":
            return scores, classification_loss(rows, labels, problem_type, class_weights)
        return self.label_scale(scores), regression_loss(rows, labels, self.label_scale)


class LyraForSequenceClassification(LyraPreTrainedModel):
    """Lyra with a head on the pooled vector: classes, several labels at once, or one or more numbers per sequence."""

    def __init__(self, config: LyraConfig) -> None:
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
    ) -> SequenceClassifierOutput:
        """Score sequences.

        Args:
            input_ids: as in `LyraModel`.
            attention_mask: as in `LyraModel`.
            inputs_embeds: as in `LyraModel`.
            labels: (B,) class numbers, -100 where missing; (B, O) of 0 and 1 for several labels at once; or (B,) or
                (B, O) numbers in their own units, NaN where missing.
            class_weights: (O,), weights of the classes in the loss.
            **kwargs: `output_hidden_states`, `return_dict`.

        Returns:
            `logits` (B, O): for regression predictions in the labels' own units; and `loss`, if there are labels.
        """
        outputs = self.lyra(input_ids, attention_mask, inputs_embeds, return_dict=True, **kwargs)
        logits, loss = self.classifier(outputs.pooler_output, labels, class_weights=class_weights)
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)


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
    ) -> TokenClassifierOutput:
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
            `logits` (B, L, O), and `loss`, if there are labels.
        """
        outputs = self.lyra(input_ids, attention_mask, inputs_embeds, return_dict=True, **kwargs)
        mask = None
        if labels is not None:
            mask = self.label_mask(input_ids, attention_mask, labels)
        logits, loss = self.classifier(outputs.last_hidden_state, labels, mask, class_weights)
        return TokenClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)

    def label_mask(self, input_ids: Tensor | None, attention_mask: Tensor | None, labels: Tensor) -> Tensor:
        """Where a label can count: (B, L), true at real positions."""
        if input_ids is None:
            everywhere = torch.ones(labels.shape[:2], dtype=torch.bool, device=labels.device)
            return everywhere if attention_mask is None else attention_mask != 0
        mask = real_positions(input_ids, attention_mask)
        return split_pair(input_ids, mask)[2] if self.config.pair_input else mask
