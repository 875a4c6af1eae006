"""The residual network: blocks that add to a stream, each of them small where there are many.

    h^0 = W^in x,   h^{l+1} = h^l + (branch_scale/sqrt(depth)) W^l phi(h^l),   f = s W^out phi(h^depth)

with effective parameters W ~ N(0, weight_std^2/fan-in), s = 1/(gamma0 sqrt(width)) and the rates of `mup`: an MLP of
depth + 2 matrices (conventions, section 1), but for the skips and the factor of the branches. 1/sqrt(depth) keeps
features, gradients and what blocks learn together at order 1 however many there are (derivations/residual.py).
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Literal, NoReturn

from pydantic import BeforeValidator, Field

from theorysim.errors import ProblemError
from theorysim.problem.layers import Layers
from theorysim.problem.network import LARGEST_DEPTH, LARGEST_WIDTH, MLP, ActivationLike, checked_activation
from theorysim.problem.validation import Statement, fields_of, shown


class ResidualMLP(Statement):
    """A residual network of `depth` one-layer blocks, in the mean-field (muP) parameterization.

    Parameters
    ----------
    depth : int
        Blocks, L.
    width : int
        Width of the stream, N.
    activation : str, table or Activation
        As in `MLP`.
    gamma0 : float
        Richness; 0 is the limit of infinite width first, then gamma0 to 0.
    branch_scale : float
        Times 1/sqrt(depth): what a block's output is multiplied by. 0: no branches, a network of one hidden layer.
    weight_std : float
        Of all weights, times fan-in^-1/2. Default 1 for every activation: the skips keep the signal, not the branches.
    initial_output : "random" or "subtracted"
        As in `MLP`.
    """

    section: ClassVar[str] = "network"
    kind: Literal["residual"] = "residual"
    depth: int = Field(ge=1, le=LARGEST_DEPTH)
    width: int = Field(ge=1, le=LARGEST_WIDTH)
    activation: Annotated[ActivationLike, BeforeValidator(checked_activation)] = "relu"
    gamma0: float = Field(default=1.0, ge=0.0)
    branch_scale: float = Field(default=1.0, ge=0.0)
    weight_std: float = Field(default=1.0, gt=0.0)
    initial_output: Literal["random", "subtracted"] = "random"

    @cached_property
    def unrolled(self) -> MLP:
        """The MLP with the same matrices, without skips and factors of branches."""
        return MLP(
            depth=self.depth + 1,
            width=self.width,
            activation=self.activation,
            parameterization="mup",
            gamma0=self.gamma0,
            weight_std=self.weight_std,
            initial_output=self.initial_output,
        )

    @property
    def branch(self) -> float:
        """What the output of a block is multiplied by, branch_scale/sqrt(depth)."""
        return float(self.branch_scale / self.depth**0.5)

    @property
    def parameterization(self) -> str:
        """Always `mup`."""
        return "mup"

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of h^0 .. h^depth."""
        return self.unrolled.widths

    @property
    def activation_name(self) -> str:
        """Name of the activation, built in or the user's."""
        return self.unrolled.activation_name

    @property
    def slope(self) -> float | None:
        """Negative-side slope of leaky relu, None for all others."""
        return self.unrolled.slope

    @property
    def learns_at_readout_only(self) -> bool:
        """False: all layers learn."""
        return False

    @property
    def untrainable(self) -> str | None:
        """Why gradients cannot train this network (its activation jumps), None where they can."""
        return self.unrolled.untrainable

    def matrices(self, *, inputs: int, outputs: int) -> Layers:
        """Return the numbers of W^in, W^0 .. W^(depth - 1) and W^out, the factor of the branches left out."""
        return self.unrolled.layers(inputs=inputs, outputs=outputs)

    def layers(self, *, inputs: int, outputs: int) -> NoReturn:
        """Refuse: what takes the layers of an MLP would forget the skips.

        Raises
        ------
        ProblemError
            Always; it names the theory of residual networks.
        """
        raise ProblemError(
            f"network: `kind` must be an MLP here, got a residual network ({inputs} inputs, {outputs} outputs); "
            "use meanfield.residual"
        )

    def at_width(self, width: int) -> ResidualMLP:
        """Return the same network with another width."""
        if isinstance(width, bool) or width < 1:
            raise ProblemError(f"network: `width` must be at least 1, got {shown(width)}")
        return ResidualMLP(**{**fields_of(self), "width": width})

    def at_depth(self, depth: int) -> ResidualMLP:
        """Return the same network with another number of blocks, their factor changed with it."""
        return ResidualMLP(**{**fields_of(self), "depth": depth})
