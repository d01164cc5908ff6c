"""What an export wrote, and where a model's images leave, in words."""

from fairshrink.cli.cutting import said_of_card, said_of_cut
from fairshrink.deploy.card import Card, Exits
from fairshrink.deploy.cut import Cut
from fairshrink.deploy.export import Exported
from fairshrink.deploy.predictor import Predictor
from fairshrink.deploy.stages import stage_file


def said_of_onnx(done: Exported, said: str) -> list[str]:
    """What an ONNX file takes and gives."""
    card = done.card
    shape = f"N, {len(card.exits.names)}, {len(card.classes)}" if card.exits else f"N, {len(card.classes)}"
    return [
        f"{done.path}: {card.backbone} from {said}, {done.path.stat().st_size / 1e6:.1f} MB",
        f"  in:  pixels (N, {card.size}, {card.size}, 3), bytes, red green blue; the normalisation is inside",
        f"  out: logits and probabilities ({shape}): {', '.join(card.classes)}",
        *([f"  exits: {', '.join(card.exits.names)}; {said_of_leaving(card.exits)}"] if card.exits else []),
        *_said_of_compared(done),
    ]


def said_of_stages(done: Exported, said: str) -> list[str]:
    """What each stage of a folder costs."""
    card, exits = done.card, done.card.exits
    names = () if exits is None else exits.names
    sizes = [stage_file(done.path, number).stat().st_size for number in range(len(names))]
    lines = [
        f"  {stage_file(done.path, number).name}: to exit '{name}', {sizes[number] / 1e6:.1f} MB, "
        f"{done.macs[number] / done.macs[-1]:.1%} of all multiplications so far"
        for number, name in enumerate(names)
    ]
    return [
        f"{done.path}: {card.backbone} from {said}, {sum(sizes) / 1e6:.1f} MB",
        *lines,
        *([f"  {said_of_leaving(exits)}"] if exits else []),
        *_said_of_compared(done),
    ]


def said_of_leaving(exits: Exits) -> str:
    """When an image leaves."""
    return f"an image leaves at the first that is at least {exits.threshold:g} sure"


def _said_of_compared(done: Exported) -> list[str]:
    return [
        f"  {done.zeros:,} of {done.weights:,} weights are 0, in the file as in the model",
        f"  compared with PyTorch on {done.images} random images: largest difference of a probability {done.difference:.1e}",
        *said_of_channels(done.card, done.cut),
    ]


def notes_of(predictor: Predictor) -> list[str]:
    """Where images leave, or why the table does not say so."""
    exits, count = predictor.card.exits, len(predictor.members)
    if exits is None:
        return []
    if predictor.exits is None:
        return [f"no column 'exit': in each of the {count} models an image has an exit of its own"]
    return [f"{said_of_leaving(exits)} of its class: {', '.join(exits.names)}"]


def said_of_channels(card: Card, done: Cut | None) -> list[str]:
    """What was cut out of a model, if anything was."""
    if done is not None:
        return said_of_cut(done)
    return [f"  {said_of_card(card.cut)} before" if card.cut is not None else "  whole: nothing was to be cut"]
