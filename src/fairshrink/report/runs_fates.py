"""FATE along the steps of the channel-removing methods of many runs: one panel for each model that they started from."""

import json
from collections.abc import Sequence

from markupsafe import Markup

from fairshrink.report import fate_figures, fate_gallery, fates, fixing, removing
from fairshrink.report.fates import MOST_NAMED, Line
from fairshrink.report.pictures import Picture, panel
from fairshrink.report.runs_figures import look_of
from fairshrink.report.runs_grouped import Method, Section
from fairshrink.report.style import MUTED, Look


def picture(section: Section, prefix: str) -> Picture | None:
    """One panel for each model that channels were removed from; None where none were.

    Args:
        section: Whose methods.
        prefix: Goes before the panels' ids.
    """
    found: dict[str, list[Method]] = {}
    for method in section.shrunk:
        if removing.removes(method.first.stage) and method.first.stage.steps:
            found.setdefault(_start(method), []).append(method)
    families = {key: methods for key, methods in found.items() if not all(map(_is_control, methods))}
    panels = [
        _panel(methods, parent_label(section, methods[0]), f"{prefix}-{number}")
        for number, methods in enumerate(families.values())
    ]
    every = [method for methods in families.values() for method in methods]
    return Picture(panels, _caption(every)) if panels else None


def _start(method: Method) -> str:
    """Equal for methods that start from one model."""
    return json.dumps([method.setting.base, *method.setting.steps[:-1]], sort_keys=True, default=str)


def _is_control(method: Method) -> bool:
    return fixing.is_control(method.first.stage)


def parent_label(section: Section, method: Method) -> str:
    """The name of the model that a method starts from."""
    same = (one.label for one in section.methods if one.setting.key == _parent_key(method))
    return next(same, str(method.first.stage.record.parent))


def _parent_key(method: Method) -> str:
    return method.setting._replace(steps=method.setting.steps[:-1]).key


def _panel(methods: list[Method], parent: str, prefix: str) -> Markup:
    named = sum(not _is_control(method) for method in methods) <= MOST_NAMED
    lines = [_line(method, named=named) for method in methods]
    bounds = sorted({value for method in methods for value in fates.bounds(method.first.stage)})
    label = f"FATE by the number of the step, from {parent}. {fate_gallery.spoken(lines, 'step')}"
    return panel(fate_figures.along(lines, bounds, "step"), prefix, label, f"from {parent}")


def _line(method: Method, *, named: bool) -> Line:
    """What every fold of every seed found along the way that it chose."""
    control = _is_control(method)
    folds = [fold for replicate in method.replicates for fold in fates.folds_of(replicate.stage)]
    look = look_of(method) if named else Look(MUTED, ".")
    return Line(method.label if named or control else "", folds, look, control=control)


def _caption(methods: Sequence[Method]) -> str:
    replicates = [len(method.replicates) for method in methods]
    folds = max(len(fates.folds_of(one.stage)) for method in methods for one in method.replicates)
    over = "seeds and folds" if max(replicates) > 1 and folds > 1 else "seeds" if max(replicates) > 1 else "folds"
    several = max(replicates) > 1 or folds > 1
    parts = [f"Step by step, the ways that were chosen. {fate_gallery.READ}"]
    parts += [f"Thick: mean over {over}, as far as all of them went; faint: single ones."] if several else []
    how_many = f", with how many {over} kept it" if several else ""
    parts.append(f"A ring marks the step whose model was kept (0 is the start){how_many}.")
    if any(map(_is_control, methods)):
        parts.append("Grey crosses: re-training by the same settings with no channel removed.")
    return " ".join(parts)
