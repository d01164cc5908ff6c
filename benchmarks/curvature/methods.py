"""The ways to the diagonal, ours and BackPACK's, all with one signature."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from backpack import backpack, extend
from backpack.extensions import DiagGGNExact, DiagGGNMC
from torch import Tensor, nn

from benchmarks.curvature.setting import Case
from fairshrink.maths.curvature import ggn_diagonal

warnings.filterwarnings("ignore", message="Full backward hook is firing")  # BackPACK's, for inputs without gradient

Diagonal = dict[str, Tensor]  # parameter name -> (2, *shape)


@dataclass(frozen=True)
class Method:
    """A way to the diagonal.

    Attributes:
        name: As the table has it.
        columns: Backward passes for each sample; 0: as many as there are classes.
        run: (what `ready` made, samples, samples a batch, seed) -> the diagonal of each group; None of a plain pass.
        ready: What is done to a model once, before the clock starts.
    """

    name: str
    columns: float
    run: Callable[[nn.Module, Case, int, int], Diagonal | None]
    ready: Callable[[nn.Module], nn.Module]


def _same(model: nn.Module) -> nn.Module:
    return model


def _rewritten(model: nn.Module) -> nn.Module:
    """As BackPACK needs it; the rewriting leaves parameters' names as they are."""
    return extend(copy.deepcopy(model), use_converter=True)


def _plain(model: nn.Module, case: Case, batch: int, seed: int) -> None:
    """Forward and backward, as in training."""
    for part in case.batches(batch):
        nn.functional.cross_entropy(model(part.x), part.y).backward()
        model.zero_grad()


def _ours(columns: float | None) -> Callable[[nn.Module, Case, int, int], Diagonal]:
    def run(model: nn.Module, case: Case, batch: int, seed: int) -> Diagonal:
        return ggn_diagonal(model, case.batches(batch), num_groups=2, columns=columns, seed=seed)[0]

    return run


def _backpack(exact: bool) -> Callable[[nn.Module, Case, int, int], Diagonal]:
    def run(model: nn.Module, case: Case, batch: int, seed: int) -> Diagonal:
        torch.manual_seed(seed)
        loss = extend(nn.CrossEntropyLoss())
        totals = {name: torch.zeros(2, *p.shape, device=p.device) for name, p in model.named_parameters()}
        field = "diag_ggn_exact" if exact else "diag_ggn_mc"
        for group, part in case.by_group(batch):
            with backpack(DiagGGNExact() if exact else DiagGGNMC(mc_samples=1)):
                loss(model(part.x), part.y).backward()
            for name, p in model.named_parameters():
                totals[name][group] += getattr(p, field) * (2 * len(part.y) / len(case.y))
                delattr(p, field)
            model.zero_grad()
        return totals

    return run


PLAIN = Method("plain forward and backward", 1, _plain, _same)
PEER_EXACT = Method("BackPACK DiagGGNExact", 0, _backpack(exact=True), _rewritten)
PEER_MC = Method("BackPACK DiagGGNMC, 1 draw", 1, _backpack(exact=False), _rewritten)
EXACT = Method("ours, exact", 0, _ours(None), _same)
SAMPLED = tuple(
    Method(f"ours, {columns:g} column{'s' * (columns > 1)}", columns, _ours(columns), _same)
    for columns in (1.0, 2.0, 4.0)
)
ALL = {method.name: method for method in (PLAIN, PEER_EXACT, PEER_MC, EXACT, *SAMPLED)}
