"""A network's forward pass as a graph, by torch.fx: only modules that contain a tap are looked into."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, fx, nn

from fairshrink.errors import ModelError


def traced(network: nn.Module, taps: Sequence[str], *, training: bool) -> tuple[fx.Graph, dict[str, list[fx.Node]]]:
    """The forward pass as a graph, and for each tap what it gave every time it ran.

    Raises:
        ModelError: The network cannot be traced, or makes a tensor that would stay as it was in the trace.
    """
    modules = dict(network.named_modules())
    above = {modules[name] for tap in taps for name in _above(tap)}
    wanted = {modules[tap]: tap for tap in taps}
    ends: dict[str, list[fx.Node]] = {tap: [] for tap in taps}
    tracer = fx.Tracer()

    def is_leaf(m: nn.Module, module_qualified_name: str) -> bool:
        return m not in above

    def call(m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = fx.Tracer.call_module(tracer, m, forward, args, kwargs)
        if m in wanted:
            ends[wanted[m]] += [found.node for found in [out] if isinstance(found, fx.Proxy)]
        return out

    tracer.is_leaf_module, tracer.call_module = is_leaf, call
    try:
        with _mode(network, training=training):
            graph = tracer.trace(_OneInput(network))
    except Exception as error:  # Whatever the network's own code or the tracer raise.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"the backbone ({type(network).__name__}) could not be traced by torch.fx, so nobody knows what runs before and "
            f"behind its taps: {reason}\n  Give it as an nn.Sequential of its stages, with a tap at each but the last."
        ) from error
    for node in list(graph.nodes):
        _named_in_the_network(node, tracer.root)
    return graph, ends


class _OneInput(nn.Module):
    """A network that is given its input and nothing else, so that other arguments keep their defaults in a trace."""

    def __init__(self, network: nn.Module) -> None:
        nn.Module.__init__(self)
        self.network = network

    def forward(self, x: Tensor) -> Any:
        return self.network(x)


def _named_in_the_network(node: fx.Node, root: nn.Module) -> None:
    """Names as the network has them; a tensor that its code makes is no part of it, and becomes an argument."""
    if node.op in ("call_module", "get_attr"):
        inside, _, name = str(node.target).partition(".")
        if name:
            node.target = name
        else:
            made = getattr(root, inside)
            _check_number(made, node)
            node.op, node.target, node.args = "call_function", _itself, (made,)


def _check_number(made: Any, node: fx.Node) -> None:
    """A number that the code writes as a tensor is the same each time; anything larger may be drawn, or learnt."""
    if isinstance(made, Tensor) and made.ndim > 0:
        users = ", ".join(f"'{getattr(user.target, '__name__', user.target)}'" for user in node.users) or "nothing"
        raise ModelError(
            f"the backbone makes a tensor of shape {tuple(made.shape)} in its forward pass, used by {users}, without its input: "
            "a trace would keep the first for ever.\n  Make it in __init__ and call  register_buffer, or build it from the input "
            "(torch.randn_like, x.new_tensor)."
        )


def _itself(made: Tensor) -> Tensor:
    return made


def _above(tap: str) -> Iterator[str]:
    """The modules that a module lies in, by name."""
    names = tap.split(".")
    for count in range(len(names)):
        yield ".".join(names[:count])


@contextmanager
def _mode(network: nn.Module, *, training: bool) -> Iterator[None]:
    flags = [(module, module.training) for module in network.modules()]
    try:
        for module, _ in flags:
            module.training = training
        yield
    finally:
        for module, flag in flags:
            module.training = flag
