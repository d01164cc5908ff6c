"""A classifier with several exits: a backbone with small heads at some of its modules, and early leaving that saves time."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.modules.dropout import _DropoutNd as Dropout
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import StochasticDepth

from fairshrink.errors import ConfigError, ModelError, suggest
from fairshrink.maths.exits import check_threshold, confidence
from fairshrink.maths.layers import mixes_samples
from fairshrink.maths.taps import evaluating
from fairshrink.models.backbones import build
from fairshrink.models.depths import depth_taps
from fairshrink.models.heads import HEADS, check_finite, checked_logits, head, learnt, placed
from fairshrink.models.parts import copying, needs, parts_of, run

AUTO = "auto"
NEAR = 3


class Stage(nn.Module):
    """One stage of a model with exits, by itself: its part of the backbone and its head, shared with the model.

    Its parameters have the names that they have in the model, but for the number of the head.
    """

    def __init__(self, model: "MultiExit", number: int) -> None:
        nn.Module.__init__(self)
        self.ways = {training: parts[number] for training, parts in model.ways.items()}
        self.backbone = _only(model.backbone, chain.from_iterable(map(needs, self.ways.values())))
        self.head = model.heads[number] if number < len(model.heads) else None
        self.num_classes = model.num_classes
        self.training = model.backbone.training

    def forward(self, x: Tensor) -> tuple[Tensor | None, Tensor]:
        """The map that the next stage takes, None after the last, and the logits of this stage's exit, (N, C)."""
        found = run(self.ways[self.training], self.backbone, x)
        return (None, checked_logits(found, self.num_classes)) if self.head is None else (found, self.head(found))


class MultiExit(nn.Module):
    """A backbone with a head at each of its taps; the backbone's own classifier is the final exit.

    >>> model = MultiExit(build("resnet18", num_classes=7, size=64), ["layer1", "layer2", "layer3"], 7).eval()
    >>> logits, exit = model.exit_early(torch.zeros(2, 3, 64, 64), 0.9)
    >>> logits.shape, exit.tolist()
    (torch.Size([2, 7]), [3, 3])

    The backbone is cut at its taps: the stages run one after the other, in training too. What lies between them is run as it
    is; hooks on a module that contains a tap are not called. Of such a module's own code, Python settings and random choices
    are read once, when this model is made, for train and for evaluation mode; later changes of them have no effect. A
    backbone that cannot be traced may come as an nn.Sequential of stages, tapped at each but the last.

    Args:
        backbone: A classifier of images, (N, K, H, W) -> (N, C); it becomes a part of this model and is not copied.
        taps: Names of its modules, in any order. Each must run once and give a map (N, K, H, W), which is all that the rest
            of the backbone needs.
        num_classes: C.
        heads: "linear": global average pool and a linear layer; "conv": before these a 3x3 convolution to at most 128
            channels, with batch norm and ReLU.
        example: Inputs such as the model will get, (N, ...); it is run once in evaluation mode, to learn how many channels the
            heads read. None: zeros of a few usual sizes are tried.
        seed: Of the heads' initial weights.

    Attributes:
        heads: The heads, in the order of the taps; before the backbone, so that its last layer is the model's last.
        backbone: The backbone.
        taps: Names in the backbone, in the order in which they run.
        num_classes: C.

    Raises:
        ConfigError: A tap is unknown or given twice, there is none, or num_classes or heads cannot be used.
        ModelError: The backbone cannot be traced or cut at a tap, does not run on the example, a tap gives no map or another
            tap's, or the backbone no logits of C classes.

    Source: Chiu et al. 2023 (multi-exit), Sec. 2.2; the heads' form is ours.
    """

    def __init__(
        self,
        backbone: nn.Module,
        taps: Sequence[str],
        num_classes: int,
        *,
        heads: str = "linear",
        example: Tensor | None = None,
        seed: int = 0,
    ) -> None:
        nn.Module.__init__(self)
        if num_classes < 2:
            raise ConfigError(f"num_classes is {num_classes}, but a classifier needs 2 classes or more.")
        if heads not in HEADS:
            raise ConfigError(f"there are no heads called '{heads}'.{suggest(heads, HEADS)}")
        parts = parts_of(backbone, _checked(backbone, taps))
        self.num_classes = num_classes
        self.taps = parts.taps
        channels, writers = learnt(backbone, parts, num_classes, example)
        parts = copying(parts, writers)
        self.ways = {True: parts.training, False: parts.evaluating}
        like = next(backbone.parameters(), torch.zeros(()))
        made = [head(heads, k, num_classes, f"{seed}, {tap}") for tap, k in zip(parts.taps, channels, strict=True)]
        self.heads = nn.ModuleList(made).to(like.device, like.dtype)
        self.backbone = backbone

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits of all E exits, each (N, C), the final one last.

        Raises:
            ModelError: The backbone's outputs are no logits of C classes.
        """
        found = []
        for number in range(len(self.taps) + 1):
            x, logits = self._stage(number, x)
            found.append(logits)
        return tuple(found)

    @torch.no_grad()
    def exit_early(self, x: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
        """Each sample's logits at the earliest exit whose largest probability reaches the threshold, else at the final one.

        A sample that has left costs nothing more. The results are those of `maths.exits.leaving` on all exits' logits.

        Args:
            x: Inputs, (N, ...); N may be 0.
            threshold: In (0, 1].

        Returns:
            Logits, (N, C), and which exit each sample left at, (N,), int64, counted from 0.

        Raises:
            ConfigError: The threshold is out of range.
            ModelError: A layer treats samples by their batch or by chance: the model is in train mode. Or an exit's logits are
                not finite.
        """
        check_threshold(threshold)
        _check_mode(self)
        last = len(self.taps)
        rows = torch.arange(len(x), device=x.device)
        exits = torch.full_like(rows, last)
        logits = x.new_zeros((len(x), self.num_classes))
        for number in range(last + 1):
            if not len(rows):
                break
            x, found = self._stage(number, x)
            check_finite(found, number, (*self.taps, None)[number])
            logits = logits.to(found.dtype)
            leave = confidence(found) >= threshold if number < last else torch.ones_like(rows, dtype=torch.bool)
            if leave.any():
                logits[rows[leave]], exits[rows[leave]] = found[leave], number
                x, rows = (x[~leave], rows[~leave]) if number < last else (x, rows[:0])
        return logits, exits

    def stages(self) -> list[Stage]:
        """The E stages as modules, which share all tensors with this one.

        Stage k takes what stage k - 1 passed on, stage 0 the inputs, and returns what it passes on and the logits of exit k;
        the last passes on None.
        """
        return [Stage(self, number) for number in range(len(self.taps) + 1)]

    def costs(self, example: Tensor) -> tuple[int, ...]:
        """Multiplications with an addition for one input up to and including each exit, of convolutions and linear layers.

        The heads of the exits before it are included. The counts are (E,).

        Args:
            example: A batch of inputs, (N, ...); only its form matters.
        """
        found = []
        x = placed(self, example)
        with evaluating(self), torch.no_grad(), FlopCounterMode(display=False) as counter:
            for number in range(len(self.taps) + 1):
                x, _ = self._stage(number, x)
                found.append(counter.get_total_flops() // 2)
        return tuple(found)

    def _stage(self, number: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is passed on, and an exit's logits; the last passes on its logits."""
        found = run(self.ways[self.backbone.training][number], self.backbone, x)
        if number < len(self.taps):
            return found, self.heads[number](found)
        return found, checked_logits(found, self.num_classes)


def build_multi_exit(
    name: str,
    taps: str | Sequence[str] = AUTO,
    heads: str = "linear",
    *,
    num_classes: int,
    size: int,
    weights: Path | None = None,
    seed: int = 0,
) -> MultiExit:
    """Build a backbone by its name and put exits into it; the caller's random numbers are not touched.

    >>> model = build_multi_exit("resnet18", num_classes=7, size=64)
    >>> model.taps
    ('layer1', 'layer2', 'layer3', 'layer4')

    Args:
        name: Of the backbone, as `build` takes it.
        taps: Names of its modules; "auto": those of `default_taps`.
        heads: "linear" or "conv", as MultiExit takes it.
        num_classes: C.
        size: Height and width of the images in pixels.
        weights: A file with weights of the backbone alone, as `build` takes it.
        seed: Of the initial weights.

    Raises:
        ConfigError, ModelError: As `build` and MultiExit.
    """
    backbone = build(name, num_classes=num_classes, size=size, weights=weights, seed=seed)
    chosen = default_taps(backbone) if taps == AUTO else taps
    example = torch.zeros(1, 3, size, size)
    return MultiExit(backbone, chosen, num_classes, heads=heads, example=example, seed=seed)


def default_taps(backbone: nn.Module) -> tuple[str, ...]:
    """Where exits are put unless somebody says otherwise: the places by depth of `depth_taps`.

    For ResNet-18 the ends of its four stages, for a VGG its last four max-pools, for small_cnn its pools.

    Raises:
        ModelError: The backbone has neither pools nor convolutions.
    """
    return depth_taps(backbone)


def _checked(backbone: nn.Module, taps: Sequence[str]) -> tuple[str, ...]:
    """The names of modules, each once."""
    names = (taps,) if isinstance(taps, str) else tuple(taps)
    known = [name for name, _ in backbone.named_modules() if name]
    if not names:
        raise ConfigError("there are no taps, so the only exit is the final one. Give at least one module's name.")
    if unknown := [name for name in names if name not in known]:
        near = get_close_matches(unknown[0], known, n=NEAR) or [name for name, _ in backbone.named_children()]
        raise ConfigError(
            f"tap '{unknown[0]}' is no module of the backbone ({type(backbone).__name__}). Near: {', '.join(near)}."
        )
    if twice := [name for at, name in enumerate(names) if name in names[:at]]:
        raise ConfigError(f"tap '{twice[0]}' is given twice. Give each once.")
    return names


def _check_mode(model: MultiExit) -> None:
    """One by one and in a batch that shrinks, samples must get what they get together."""
    if model.backbone.training and model.ways[True] != model.ways[False]:
        raise ModelError(
            f"the backbone ({type(model.backbone).__name__}) runs other steps in train mode (functional dropout, say), so that "
            "samples cannot leave early.\n  Call  model.eval()  first."
        )
    for name, module in model.named_modules():
        drawn = module.training and isinstance(module, BatchNorm | Dropout | StochasticDepth | nn.RReLU)
        if drawn or mixes_samples(module):
            raise ModelError(
                f"layer '{name}' ({type(module).__name__}) treats a sample by its batch or by chance, so that samples "
                "cannot leave early.\n  Call  model.eval()  first; a batch norm also needs its running statistics."
            )


def _only(network: nn.Module, names: Iterator[str]) -> nn.Module:
    """A part of a network: modules, parameters and buffers under the names that they have there, and nothing else."""
    whole = nn.Module()
    for name in dict.fromkeys(names):
        *above, last = name.split(".")
        place, there = whole, network
        for each in above:
            there = getattr(there, each)
            if each not in dict(place.named_children()):
                place.add_module(each, nn.Module())
            place = place.get_submodule(each)
        found = getattr(there, last)
        if last in dict(there.named_buffers(recurse=False)):
            place.register_buffer(last, found)
        else:
            setattr(place, last, found)
    return whole
