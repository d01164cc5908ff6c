"""Shrinking one fold's model with every candidate of a step; the choice is made on validation."""

import shutil
from typing import Any

from fairshrink.compress.recipe import Compressed, compress
from fairshrink.compress.stopping import Step
from fairshrink.data.splits import VAL
from fairshrink.files import read_json, write_json
from fairshrink.lab.choose import Candidate, choose, mean_f1
from fairshrink.lab.config import ShrinkSettings
from fairshrink.lab.grid import METHODS, not_default
from fairshrink.lab.masks import save_frozen
from fairshrink.lab.records import read_step, step_record
from fairshrink.lab.store import FoldPaths
from fairshrink.lab.work import SCORING_BATCH, Work, group_code, predict_fold, scoring_rows
from fairshrink.types import Splits


def shrink_fold(work: Work, fold: int, step: ShrinkSettings, folders: tuple[FoldPaths, FoldPaths, FoldPaths]) -> None:
    """Shrink one fold's model with every candidate of a step, choose on validation, predict the test part.

    Args:
        work: What every stage needs.
        fold: Which fold.
        step: The method and its grid.
        folders: This stage's, its parent's and the training's.
    """
    folder, parent, training = folders
    if not all(path.exists() for path in (folder.result, folder.model, folder.frozen)):
        candidates = step.candidates()
        for number, candidate in enumerate(candidates):
            if not folder.candidate(number).result.exists():
                work.observer.advance(f"{step.name}, fold {fold}", number, len(candidates))
                shrunk = _shrunk(work, fold, (step, candidate), (parent, training))
                _keep(work, folder.candidate(number), shrunk, (step, candidate))
        _take_best(work, fold, step, folder)
    shutil.rmtree(folder.candidate(0).root.parent, ignore_errors=True)
    predict_fold(work, fold, folder)


def _shrunk(
    work: Work, fold: int, what: tuple[ShrinkSettings, dict[str, Any]], start: tuple[FoldPaths, FoldPaths]
) -> Compressed:
    (step, candidate), (parent, training) = what, start
    model, frozen = work.load(parent)
    favoured = read_json(training.result)["group"] if step.unprivileged == "auto" else step.unprivileged
    rows = scoring_rows(work, fold, step.samples, METHODS[step.method].by_group)
    val = work.loader(work.prepared.rows(fold, VAL))
    data = Splits(work.loader(rows, batch_size=SCORING_BATCH), val, [])
    said = in_words(step, candidate)

    def tell(done: Step) -> None:
        gaps = ", ".join(f"{name} {value:.3f}" for name, value in done.gaps.items())
        work.observer.say(
            f"fold {fold}: {step.name} ({said}) at {done.ratio:.2f}: macro F1 {mean_f1(done):.3f}, {gaps}"
        )

    return compress(
        model,
        data,
        step.recipe(candidate),
        unprivileged=group_code(work, favoured),
        frozen=frozen,
        seed=work.experiment.train.seed,
        on_step=tell,
    )


def told(step: ShrinkSettings, candidate: dict[str, Any]) -> dict[str, Any]:
    """The settings of a candidate that the experiment chose; the rest are the method's defaults."""
    return {key: candidate[key] for key in not_default(step.method, step.settings)}


def in_words(step: ShrinkSettings, candidate: dict[str, Any]) -> str:
    """The same as text."""
    chosen = told(step, candidate).items()
    return (
        ", ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in chosen)
        or "its defaults"
    )


def _keep(work: Work, folder: FoldPaths, shrunk: Compressed, what: tuple[ShrinkSettings, dict[str, Any]]) -> None:
    step, candidate = what
    work.save(folder, shrunk.model)
    save_frozen(folder.frozen, shrunk.frozen)
    record = {
        "params": told(step, candidate),
        "stopped": shrunk.stopped,
        "steps": [step_record(step, work.groups) for step in (shrunk.start, *shrunk.steps)],
    }
    write_json(folder.result, record)


def _take_best(work: Work, fold: int, step: ShrinkSettings, folder: FoldPaths) -> None:
    records = [read_json(folder.candidate(number).result) for number in range(len(step.candidates()))]
    candidates = [Candidate(read_step(record["steps"][0]), read_step(record["steps"][-1])) for record in records]
    best, values = choose(step.choose, candidates)
    metric = step.choose.partition(":")[2]
    table = [
        {
            "fold": fold,
            "candidate": number,
            "params": record["params"],
            "value": value,
            "f1": mean_f1(candidate.end),
            "gap": candidate.end.gaps[metric],
        }
        for number, (record, candidate, value) in enumerate(zip(records, candidates, values, strict=True))
    ]
    model, frozen = work.load(folder.candidate(best))
    work.save(folder, model)
    save_frozen(folder.frozen, frozen)
    write_json(folder.result, {"chosen": best, "candidates": table, "runs": records})
    if len(records) > 1:
        said = in_words(step, step.candidates()[best])
        work.observer.say(f"fold {fold}: {step.name}: {step.choose} chose {said} of {len(records)} candidates")
