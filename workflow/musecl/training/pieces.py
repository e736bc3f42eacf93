"""A network over a batch in pieces of fixed size, side by side, forward and backward.

The gradients of the pieces are summed in their order, so that they are the same bits for any
number of workers. It is for networks in which an item's output depends on that item alone.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from musecl.runtime.workers import in_pieces

# Images of a piece: the activations of more leave the caches, at half the speed.
PIECE = 16


def apply_in_pieces(
    network: Callable[[Tensor], Tensor], parameters: list[nn.Parameter], batch: Tensor
) -> Tensor:
    """Apply a network to a batch, as many pieces at once as the job has workers.

    Parameters
    ----------
    network : callable
        From a Tensor (b, ...) to one (b, D), row by row.
    parameters : list of Parameter
        Those that are trained; the network uses each of them.
    batch : Tensor of shape (B, ...)
        No gradient is given to it. On a GPU, which has no use for pieces, it is one.

    Returns
    -------
    Tensor of shape (B, D)
    """
    if batch.is_cuda:
        return network(batch)
    return _Pieces.apply(network, batch, *parameters)  # type: ignore[no-any-return, no-untyped-call]


class _Pieces(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, network: Any, batch: Tensor, *parameters: nn.Parameter) -> Tensor:
        trained = any(ctx.needs_input_grad[2:])

        def run(piece: Tensor) -> Tensor:
            with torch.set_grad_enabled(trained):
                return network(piece)  # type: ignore[no-any-return]

        outputs = list(in_pieces(run, torch.split(batch, PIECE)))
        ctx.outputs, ctx.parameters = outputs, parameters
        return torch.cat([output.detach() for output in outputs])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,) = gradients

        def run(part: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
            return torch.autograd.grad(part[0], ctx.parameters, part[1])  # type: ignore[no-any-return]

        found = in_pieces(run, zip(ctx.outputs, torch.split(gradient, PIECE), strict=True))
        total = next(found)
        for of_piece in found:
            for one, further in zip(total, of_piece, strict=True):
                one += further
        return None, None, *total
