"""The projected gated convolutions as the prediction engine computes them, for several models at once.

Letters in shapes: M members (models of one shape, evaluated together), H hidden_size, E width of a PGC, P positions
with what reaches into them from both sides, S columns (segments of sequences), n = P * S.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..modeling_lyra import LyraModel


class Gate(NamedTuple):
    """The weights of one PGC, of all members.

    Inside, channels come last: rows of a table are copied whole, and the product at the end turns them for nothing.
    """

    in_weight: Tensor  # (M, H, 2E)
    in_bias: Tensor  # (M, 1, 2E)
    in_scale: Tensor  # (M, 1, 2E)
    conv_weight: Tensor  # (M, conv_kernel, 1, 1, E)
    conv_bias: Tensor  # (M, 1, 1, E)
    out_weight: Tensor  # (M, H, E)
    out_bias: Tensor  # (M, H, 1)
    out_scale: Tensor  # (M, H, 1)

    @classmethod
    def of(cls, members: Sequence[LyraModel], index: int) -> "Gate":
        """The weights of the members' PGC of that index."""
        pgcs = [member.pgc[index] for member in members]

        def stack(name: str) -> Tensor:
            return torch.stack([pgc.get_parameter(name).detach() for pgc in pgcs])

        return cls(
            in_weight=stack("in_proj.weight").transpose(1, 2),
            in_bias=stack("in_proj.bias").unsqueeze(1),
            in_scale=stack("in_norm.weight").unsqueeze(1),
            conv_weight=stack("conv.weight").squeeze(2).transpose(1, 2)[:, :, None, None].contiguous(),
            conv_bias=stack("conv.bias")[:, None, None],
            out_weight=stack("out_proj.weight"),
            out_bias=stack("out_proj.bias").unsqueeze(-1),
            out_scale=stack("out_norm.weight").unsqueeze(-1),
        )

    def project(self, hidden: Tensor, mask: Tensor | None, eps: float) -> Tensor:
        """What is convolved and what it is multiplied with, side by side: (M, H, n) and a mask (n,) to (M, n, 2E)."""
        xv = torch.baddbmm(self.in_bias, hidden.transpose(1, 2), self.in_weight)
        xv = normalize(xv, eps, dim=2) * self.in_scale
        if mask is not None:
            xv[..., : xv.shape[2] // 2] *= mask.unsqueeze(-1)
        return xv

    def combine(self, xv: Tensor, eps: float) -> Tensor:
        """Convolve, multiply and project: (M, P, S, 2E) to (M, H, P - conv_kernel + 1, S)."""
        x, v = xv.chunk(2, dim=-1)  # (M, P, S, E)
        taps = self.conv_weight.shape[1]
        positions = x.shape[1] - taps + 1
        y = torch.addcmul(self.conv_bias, x[:, :positions], self.conv_weight[:, 0])
        for tap in range(1, taps):
            y.addcmul_(x[:, tap : tap + positions], self.conv_weight[:, tap])
        y.mul_(v[:, taps // 2 : taps // 2 + positions])
        out = torch.baddbmm(self.out_bias, self.out_weight, y.flatten(1, 2).transpose(1, 2))  # (M, H, n)
        return normalize(out, eps).mul_(self.out_scale).unflatten(2, (positions, -1))


def normalize(x: Tensor, eps: float, dim: int = 1) -> Tensor:
    """Divide (M, C, ...) by its root mean square over the channels, which are in dimension `dim`."""
    return x * x.square().mean(dim, keepdim=True).add_(eps).rsqrt_()
