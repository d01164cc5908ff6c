"""What cutting a model did, in words."""

from collections.abc import Iterator, Mapping, Sequence

from fairshrink.deploy.cut import IMAGES, Cut

NOTHING = "nothing could be cut: no channel is 0 wherever it is read"


def said_of_cut(done: Cut) -> list[str]:
    """By layer what was cut and what had to stay, then what that saves."""
    lines = [*_by_layer(done), *([] if done.removed else [f"  {NOTHING}"])]
    if not done.removed:
        return lines
    before, after = done.before, done.after
    return [
        *lines,
        f"  {after.parameters:,} parameters of {before.parameters:,} ({after.parameters / before.parameters:.1%}), "
        f"{after.macs / 1e6:,.1f} of {before.macs / 1e6:,.1f} million multiplications an image ({after.macs / before.macs:.1%})",
        f"  compared with the whole model on {IMAGES} random images: largest difference of a logit {done.difference:.1e}, "
        f"{done.relative:.1e} of the largest",
    ]


def said_of_card(cut: Mapping[str, Sequence[int]]) -> str:
    """That a file's model was cut before."""
    return f"{sum(map(len, cut.values())):,} channels of {len(cut):,} layers were cut out of it"


def _by_layer(done: Cut) -> Iterator[str]:
    for layer, width in done.widths.items():
        if gone := done.removed.get(layer):
            yield f"  {layer}: {len(gone):,} of {width:,} channels cut out"
        for some in done.zeroed.get(layer, ()):
            are = "channels are" if some.channels > 1 else "channel is"
            stay = "they stay" if some.channels > 1 else "it stays"
            yield f"  {layer}: {some.channels:,} of {width:,} {are} 0, but {stay}: {some.why}"
