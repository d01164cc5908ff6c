"""What can be fixed: the weights of convolutions and linear layers."""

from torch import nn

from fairshrink.errors import ModelError

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def compressible(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that a method may fix, by name, in the model's order.

    These are all convolution and linear weights; biases and norm parameters stay as they are
    (the papers do not say; counted together they are under 1 % of ResNet-18 and VGG-11), and so do transposed
    convolutions, embeddings and the input projections of attention.

    Raises:
        ModelError: The model has no convolution and no linear layer, or the weight of one is worked out from other parameters.
    """
    owners = {f"{name}.weight" if name else "weight" for name, m in model.named_modules() if isinstance(m, WEIGHTED)}
    for name, module in model.named_modules():
        if isinstance(module, WEIGHTED) and "weight" not in dict(module.named_parameters(recurse=False)):
            raise ModelError(
                f"the weight of layer '{name}' is worked out from other parameters (a parametrization, or torch's own "
                "pruning), so fixing it would not last. Make it an ordinary weight first, with "
                "torch.nn.utils.parametrize.remove_parametrizations or torch.nn.utils.prune.remove."
            )
    found = {name: parameter for name, parameter in model.named_parameters() if name in owners}
    if not found:
        raise ModelError(
            f"the model ({type(model).__name__}) has no convolution and no linear layer, so there is nothing to shrink. "
            "Give a model with at least one nn.Conv or nn.Linear."
        )
    return found
