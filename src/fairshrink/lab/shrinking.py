"""Shrinking every fold's model with every candidate of a step; choosing one of them on validation."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairshrink.compress.grid import Setting, one_by_one
from fairshrink.compress.keeping import Keeper, Nowhere
from fairshrink.compress.recipe import Compressed, Recipe
from fairshrink.compress.retraining import FineTune
from fairshrink.compress.steps import Step, mean_f1
from fairshrink.data.splits import VAL
from fairshrink.files import read_json, write_json
from fairshrink.lab.choose import Candidate, Choice, choose, may_see, rule, together
from fairshrink.lab.grid import METHODS, not_default
from fairshrink.lab.halfway import FileKeeper
from fairshrink.lab.masks import save_frozen
from fairshrink.lab.predicting import predict_fold
from fairshrink.lab.records import read_step, step_record
from fairshrink.lab.said import Asked, said
from fairshrink.lab.settings import ShrinkSettings
from fairshrink.lab.store import FoldPaths, StagePaths
from fairshrink.lab.twins import follow, is_control
from fairshrink.lab.work import Work, group_code, scoring_rows, too_few, training_images
from fairshrink.types import Splits

Params = dict[str, Any]
RATIOS = ("ratio", "channel_ratio")


@dataclass(frozen=True)
class Shrinking:
    """One stage's work: the step, where this stage, its parent and the training lie; and the step whose choice it goes by."""

    work: Work
    step: ShrinkSettings
    stage: StagePaths
    parent: StagePaths
    training: StagePaths
    twin: tuple[ShrinkSettings, StagePaths] | None = None

    def favoured(self, fold: int) -> int:
        """The number of the group to favour in a fold: the step's own, or what was measured after the training."""
        name = self.step.unprivileged
        return group_code(self.work, read_json(self.training.fold(fold).result)["group"] if name == "auto" else name)

    def done(self, fold: int) -> bool:
        """Whether a fold's choice has been made and written."""
        return kept(self.stage.fold(fold))


def shrink_folds(shrinking: Shrinking) -> None:
    """Shrink the model of every fold with every candidate of the step, choose on validation, predict the test parts.

    The choice over the folds needs the candidates of all of them; until it is made, nobody looks at a test part.
    """
    folds = range(shrinking.stage.folds)
    for at_once in [folds] if shrinking.step.choose_over == "folds" else [[fold] for fold in folds]:
        _shrink_together(shrinking, at_once)


def shrink_fold(shrinking: Shrinking, fold: int) -> None:
    """What one fold can do while others are at work: its candidates; where it chooses by itself, the rest as well."""
    if shrinking.step.choose_over == "fold":
        _shrink_together(shrinking, [fold])
    elif not shrinking.done(fold):
        _try_all(shrinking, fold)


def _shrink_together(shrinking: Shrinking, folds: Sequence[int]) -> None:
    for fold in folds:
        shrinking.work.observer.say(shrinking.stage.title(fold))
        if not shrinking.done(fold):
            _try_all(shrinking, fold)
    for fold in folds:
        if not shrinking.done(fold):
            _take_best(shrinking, fold)
    for fold in folds:
        folder = shrinking.stage.fold(fold)
        if not shrinking.step.keep_candidates:
            shutil.rmtree(folder.candidate(0).root.parent, ignore_errors=True)
        predict_fold(shrinking.work, fold, folder)


def _try_all(shrinking: Shrinking, fold: int) -> None:
    """Every candidate that is not there yet, each kept as soon as it is done."""
    work, step, folder = shrinking.work, shrinking.step, shrinking.stage.fold(fold)
    candidates = step.candidates()
    there = frozenset(number for number in range(len(candidates)) if kept(folder.candidate(number)))
    if len(there) == len(candidates):
        _forget_ways(folder, len(candidates))  # stopped after the last candidate, it may have left one
        return
    model, frozen = work.load(shrinking.parent.fold(fold))
    favoured, chosen_by = shrinking.favoured(fold), rule(step.choose)

    def tell(number: int, done: Step) -> None:
        words = in_words(step, candidates[number])
        shown = done.gaps | {chosen_by.measure: chosen_by.measured(done)}
        gaps = ", ".join(f"{name} {value:.3f}" for name, value in shown.items())
        work.observer.say(
            f"fold {fold}: {step.name} ({words}) {_far(recipes[number], done)}: macro F1 {mean_f1(done):.3f}, {gaps}"
        )

    recipes = [step.recipe(candidate) for candidate in candidates]
    setting = Setting(
        task=work.task_in(shrinking.parent.fold(fold)),  # until the models are there, the threshold is the start's
        unprivileged=favoured,
        frozen=frozen,
        seed=work.experiment.train.seed,
        on_step=tell,
        done=there,
        keeper=lambda number: _keeper(shrinking, fold, number, recipes),
    )
    work.observer.advance(f"{step.name}, fold {fold}", len(there), len(candidates))
    found = one_by_one(model, _data(work, fold, step), recipes, setting)
    for done, (number, shrunk) in enumerate(found, start=len(there) + 1):
        _keep(work, folder.candidate(number), shrunk, (step, candidates[number]))
        work.observer.advance(f"{step.name}, fold {fold}", done, len(candidates))
    _forget_ways(folder, len(candidates))


def _far(recipe: Recipe, done: Step) -> str:
    """How far a step is, in words."""
    if recipe.unit == "weights":
        return f"at {done.ratio:.2f}"
    return f"without {done.fixed:,} of {done.total:,} channels"


def _forget_ways(folder: FoldPaths, candidates: int) -> None:
    for number in range(candidates):
        folder.candidate(number).halfway.unlink(missing_ok=True)


def _keeper(shrinking: Shrinking, fold: int, number: int, recipes: Sequence[Recipe]) -> Keeper:
    """What keeps a way: a re-training's in files, any other's nowhere."""
    recover = recipes[number].recover
    if not isinstance(recover, FineTune):
        return Nowhere()
    longest = max(len(list(recipe.schedule())) for recipe in recipes)
    return FileKeeper(
        folder=shrinking.stage.fold(fold).candidate(number),
        groups=shrinking.work.groups,
        observer=shrinking.work.observer,
        what=f"{shrinking.step.name}, fold {fold}",
        steps=longest,
        epochs=recover.settings.epochs,
    )


def _data(work: Work, fold: int, step: ShrinkSettings) -> Splits:
    """What scoring and choosing may see; the test part is not in it."""
    method = METHODS[step.method]
    rows = scoring_rows(work, fold, step.samples, method.by_group, mixed=method.mixed)
    if fold == 0 and (short := too_few(work, fold, step.samples, method.by_group)):
        work.observer.say(f"{step.name}: {short}")
    scored = work.loader(rows, batch_size=step.batch)
    return Splits(scored, work.loader(work.prepared.rows(fold, VAL)), [], training_images(work, fold))


def told(step: ShrinkSettings, candidate: Params) -> Params:
    """The settings of a candidate that the experiment chose; the rest are the method's defaults.

    A preset chooses the ratio, also where it is the method's own.
    """
    chosen = not_default(step.method, step.settings)
    return {key: value for key, value in candidate.items() if key in chosen or (step.preset and key in RATIOS)}


def in_words(step: ShrinkSettings, candidate: Params) -> str:
    """The same as text."""
    chosen = ({"preset": step.preset} if step.preset else {}) | told(step, candidate)
    return (
        ", ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in chosen.items())
        or "its defaults"
    )


def kept(folder: FoldPaths) -> bool:
    """Whether the result of a candidate, or of a choice, has been written."""
    return all(path.exists() for path in (folder.result, folder.model, folder.frozen))


def _keep(work: Work, folder: FoldPaths, shrunk: Compressed, what: tuple[ShrinkSettings, Params]) -> None:
    step, candidate = what
    work.save(folder, shrunk.model)
    save_frozen(folder.frozen, shrunk.frozen)
    record = {
        "params": told(step, candidate),
        "stopped": shrunk.stopped,
        "taken": 0 if shrunk.taken is None else shrunk.taken + 1,
        "steps": [step_record(step, work.groups) for step in (shrunk.start, *shrunk.steps)],
    }
    write_json(folder.result, record)


def _records(shrinking: Shrinking, fold: int) -> list[dict[str, Any]]:
    """What every candidate of a fold measured; of a fold whose candidates are tidied away, from its result."""
    folder = shrinking.stage.fold(fold)
    if shrinking.done(fold):
        return read_json(folder.result)["runs"]
    return [read_json(folder.candidate(number).result) for number in range(len(shrinking.step.candidates()))]


def _take_best(shrinking: Shrinking, fold: int) -> None:
    work, step, folder = shrinking.work, shrinking.step, shrinking.stage.fold(fold)
    over = may_see(fold, shrinking.stage.folds) if step.choose_over == "folds" else [fold]
    candidates = _candidates([_records(shrinking, other) for other in over])
    found, records = _chosen(shrinking, fold, candidates), _records(shrinking, fold)
    if len(candidates) == 1 and shrinking.twin is None:
        found = found._replace(best=0)  # one setting was asked for: a rule has nothing to say about it
    parent = shrinking.parent.fold(fold)
    model, frozen = work.load(parent if found.best is None else folder.candidate(found.best))
    work.save(folder, model)
    save_frozen(folder.frozen, frozen)
    settings = [in_words(step, candidate) for candidate in step.candidates()]
    sentence = _as_the_twin(shrinking, found, settings) or said(
        Asked(rule(step.choose), step.choose, settings, candidates, over), found
    )
    table = [
        {"fold": fold, "candidate": number, "params": record["params"]} | row
        for number, (record, row) in enumerate(zip(records, _table(step, candidates, found), strict=True))
    ]
    write_json(folder.result, {"chosen": found.best, "said": sentence, "candidates": table, "runs": records})
    work.observer.say(f"fold {fold}: {step.name}: {sentence}")


def _chosen(shrinking: Shrinking, fold: int, candidates: Sequence[Candidate]) -> Choice:
    """By the rule; or what another step has chosen for this fold."""
    if shrinking.twin is None:
        return choose(shrinking.step.choose, candidates)
    twin, stage = shrinking.twin
    best = read_json(stage.fold(fold).result)["chosen"]
    chosen = None if best is None else twin.candidates()[best]
    epochs = METHODS[twin.method].epochs if is_control(shrinking.step) else None
    return follow(shrinking.step.candidates(), chosen, epochs=epochs)


def _as_the_twin(shrinking: Shrinking, found: Choice, settings: Sequence[str]) -> str | None:
    if shrinking.twin is None:
        return None
    name = shrinking.twin[0].name
    if found.best is None:
        return f"as '{name}' chose its start, or was not re-trained, the model is the start's"
    return f"{settings[found.best]}, as '{name}' chose"


def _table(step: ShrinkSettings, candidates: Sequence[Candidate], found: Choice) -> list[dict[str, Any]]:
    """What the rule saw of every candidate, and what it made of it."""
    chosen_by = rule(step.choose)
    return [
        {
            "value": found.values[number],
            "within": found.within[number],
            "f1": mean_f1(candidate.end),
            "f1_before": mean_f1(candidate.start),
            "gap": chosen_by.measured(candidate.end),
            "criteria": candidate.end.criteria | {chosen_by.measure: chosen_by.measured(candidate.end)},
        }
        | ({"front": found.front[number]} if found.front is not None else {})
        for number, candidate in enumerate(candidates)
    ]


def _candidates(folds: Sequence[Sequence[dict[str, Any]]]) -> list[Candidate]:
    """Each candidate on the validation parts of some folds together."""
    return [
        together([Candidate(read_step(record["steps"][0]), read_step(_end(record))) for record in records])
        for records in zip(*folds, strict=True)
    ]


def _end(record: dict[str, Any]) -> dict[str, Any]:
    """The step whose model a candidate is; earlier versions knew none but the last."""
    return record["steps"][record.get("taken", -1)]
