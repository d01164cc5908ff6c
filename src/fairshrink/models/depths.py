"""Where a network is looked at by depth: a few places from its input to its output."""

from torch import nn

from fairshrink.errors import ModelError

RESIDUAL = ("layer1", "layer2", "layer3", "layer4")
LAST_POOLS = 4
POOLS = (nn.MaxPool2d, nn.AdaptiveAvgPool2d)
INSIDE, BESIDE = "backbone", "heads"  # the parts of a network with exits


def depth_taps(model: nn.Module) -> tuple[str, ...]:
    """The modules whose outputs are the features at each depth, in the model's order.

    Of a residual network of four stages their ends, of a VGG its last four max-pools, of another network with several pools
    each of them, of any other every convolution. A network with exits is looked at in its backbone.

    Args:
        model: Any module.

    Raises:
        ModelError: It has neither pools nor convolutions.

    Source: Chiu et al. 2023 (multi-exit), Fig. 1: the end of each residual stage, the last four max-pools.
    """
    modules = dict(model.named_modules())
    if INSIDE in modules and BESIDE in modules:
        return tuple(f"{INSIDE}.{name}" for name in depth_taps(modules[INSIDE]))
    if all(name in modules for name in RESIDUAL):
        return RESIDUAL
    largest = [name for name, module in modules.items() if isinstance(module, nn.MaxPool2d)]
    if len(largest) >= LAST_POOLS:
        return tuple(largest[-LAST_POOLS:])
    pools = tuple(name for name, module in modules.items() if isinstance(module, POOLS))
    if len(pools) > 1:
        return pools
    convolutions = tuple(
        name for name, module in modules.items() if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    )
    if not convolutions:
        raise ModelError(
            f"the model ({type(model).__name__}) has neither pools nor convolutions, so it cannot be looked at by depth. Give a "
            "convolutional network."
        )
    return convolutions
