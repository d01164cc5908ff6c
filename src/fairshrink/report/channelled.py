"""What a step did to the channels as the page sees it: frozen records of channels.json."""

from dataclasses import dataclass

from fairshrink.errors import StoreError


@dataclass(frozen=True, slots=True)
class ChannelLayer:
    """One layer's channels: scores before and after, and the sorted scores of chance before.

    `removed` are the numbers of those that are gone in the end, `lacked` of those that were gone before the step; `cuttable`
    tells whether they can be taken out of the file, where that is known.
    """

    name: str
    channels: int
    removed: list[int]
    lacked: list[int]
    before: list[float]
    after: list[float]
    chance: list[float]
    cuttable: bool | None = None


@dataclass(frozen=True, slots=True)
class ChannelPortrait:
    """channels.json of one fold; of its images so many are compared with each other at once.

    `alone` of them have nobody of their group to be compared with; `skipped` batches compare nothing.
    """

    attribute: str
    groups: list[str]
    images: int
    compared: int
    temperature: float
    normalize: bool
    tap: str
    layers: list[ChannelLayer]
    alone: int = 0
    skipped: int = 0


def check_channels(found: ChannelPortrait, file: str, advice: str) -> None:
    """Raise StoreError unless every layer has a score for each channel, and what is removed is one of them."""
    for layer in found.layers:
        lengths = [len(layer.before), len(layer.after)]
        there = layer.channels - len(layer.lacked)
        fits = set(layer.lacked) <= set(layer.removed) < set(range(layer.channels))
        if lengths != [layer.channels] * 2 or not fits or len(layer.chance) != there:
            raise StoreError(
                f"'{file}': '{layer.name}' has {layer.channels} channels, {len(layer.removed)} of them removed, {lengths} scores "
                f"and {len(layer.chance)} of chance: expected a score for each channel, before and after, one of chance for each "
                f"that was there, and numbers from 0 to {layer.channels - 1}. {advice}"
            )
    names = [layer.name for layer in found.layers]
    if not names or len(set(names)) < len(names):
        raise StoreError(f"'{file}' has the layers {names}, but one or more, each once, are expected. {advice}")
