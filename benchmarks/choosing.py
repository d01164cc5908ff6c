"""Which criterion on validation finds the setting that has the smallest gap on test? Over models, over a grid of FairPrune.

    python -m benchmarks.choosing lesions --groups 4 --into choosing.jsonl    # synthetic lesions, small_cnn; a large test part
    python -m benchmarks.choosing ham RUN --into choosing.jsonl               # the folds of a run on HAM10000
    python -m benchmarks.choosing table choosing.jsonl

Every model is shrunk with every setting of the grid, and each result is counted on its validation part and on test. Models
come in sets: the four folds of one draw of lesions (each validates on a part of its own; the test images are the same and in
no fold), the five folds of HAM10000. Within a set the choice is made fold by fold ("fold"), or once on what all folds say
together ("folds"; on HAM10000 without the fold whose validation part is this one's test part). Standard errors are over sets
of lesions, and over folds of HAM10000, whose models share most of their training images.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from fairshrink.compress.grid import Setting, one_by_one
from fairshrink.compress.methods import fairprune
from fairshrink.compress.steps import CRITERIA, Seen, Step, look
from fairshrink.data.loader import Loader
from fairshrink.data.splits import TEST, TRAIN, VAL
from fairshrink.lab.config import DataSettings, load_experiment
from fairshrink.lab.data import Prepared, cache_folder, prepare
from fairshrink.lab.observer import Quiet
from fairshrink.lab.store import RunPaths
from fairshrink.maths.tasks import classify
from fairshrink.metrics.counts import GroupCounts
from fairshrink.metrics.rates import f1
from fairshrink.metrics.soft import Soft
from fairshrink.metrics.tradeoff import fate
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import load_into, read_weights
from fairshrink.train.loop import fit
from fairshrink.train.settings import TrainSettings
from fairshrink.types import Splits

POOL, TESTED, SIZE = 1600, 3000, 32  # lesions of a set, in four folds; of its test part; pixels
BETAS, RATIOS, STEP = (0.0, 0.33, 0.67, 1.0), (0.15, 0.3, 0.45, 0.6), 0.15
SAMPLES, WITHIN, NEAR = 64, 0.01, 0.05


COLUMNS = ("rule", "over", "order of EOpp1", "of soft EOpp1", "near: of EOpp1", "of soft EOpp1")
COLUMNS += ("EOpp1", "soft EOpp1", "macro F1", "above the best")


class Found(NamedTuple):
    """One model and one setting: what validation and test said. The start has no setting."""

    kind: str
    set: int
    fold: int
    params: dict[str, float]
    val: Step
    test: Step


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["lesions", "ham", "table"])
    parser.add_argument("path", nargs="?", type=Path)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--into", type=Path, default=Path("choosing.jsonl"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "table":
        print(table(read(given.path)))
        return
    source = ham(given.path) if given.what == "ham" else lesions(range(given.first, given.first + given.groups))
    with given.into.open("a") as file:
        for found in source:
            print(found.kind, found.set, found.fold, found.params, flush=True)
            file.write(json.dumps(_written(found)) + "\n")
            file.flush()


def lesions(sets: Sequence[int]) -> Iterator[Found]:
    """Four models for each set of drawn lesions, and all their settings."""
    for number in sets:
        settings = DataSettings(source="lesions", count=POOL + TESTED, size=SIZE, groups=("tone",), seed=100 + number)
        prepared = prepare(settings, Path.cwd(), cache_folder(Path(f"lesions-{number}")), Quiet())
        parts = np.array_split(np.random.default_rng(number).permutation(POOL + TESTED)[:POOL], 4)
        rest = np.setdiff1d(np.arange(POOL + TESTED), np.concatenate(parts))
        for fold, val in enumerate(parts):
            train = np.concatenate([part for other, part in enumerate(parts) if other != fold])
            model = _trained(prepared, train, 4 * number + fold)
            yield from _all(("lesions", number, fold), model, _splits(prepared, (train, val, rest), number))


def ham(run: Path) -> Iterator[Found]:
    """The trained model of every fold of a run, and all its settings."""
    experiment = load_experiment(RunPaths(run).config)
    prepared = prepare(experiment.data, run, cache_folder(run / "store"), Quiet())
    stage = RunPaths(run).stage(0, "train", experiment.data.folds)
    for fold in range(experiment.data.folds):
        model = build(experiment.model.backbone, num_classes=len(prepared.dataset.classes), size=experiment.data.size)
        load_into(model, read_weights(stage.fold(fold).model))
        rows = tuple(prepared.rows(fold, part) for part in (TRAIN, VAL, TEST))
        yield from _all(("ham", 0, fold), model.eval(), _splits(prepared, rows, fold))


def _trained(prepared: Prepared, rows: np.ndarray, seed: int) -> nn.Module:
    model = build("small_cnn", num_classes=len(prepared.dataset.classes), size=SIZE, seed=seed)
    loader = Loader(prepared.dataset, rows, batch_size=32, shuffle=True, augment=("flip",), seed=seed)
    fit(model, loader, TrainSettings(epochs=8, lr=0.1, precision="fp32", seed=seed), num_groups=2)
    return model.eval()


def _splits(prepared: Prepared, rows: tuple[np.ndarray, ...], seed: int) -> Splits:
    """Loaders; of the training part, SAMPLES of each group."""
    train, val, test = rows
    drawn = np.random.default_rng([seed, 1]).permutation(train)
    codes = prepared.dataset.attribute().codes[drawn]
    scored = np.sort(np.concatenate([drawn[codes == group][:SAMPLES] for group in range(2)]))
    first, *others = (
        Loader(prepared.dataset, part, batch_size=size) for part, size in ((scored, 64), (val, 256), (test, 256))
    )
    return Splits(first, *others)


def _all(where: tuple[str, int, int], model: nn.Module, data: Splits) -> Iterator[Found]:
    grid = [{"beta": beta, "ratio": ratio} for beta in BETAS for ratio in RATIOS]
    recipes = [fairprune(params["ratio"], params["beta"], STEP) for params in grid]

    def tested(model: nn.Module, like: Step) -> Step:
        return Step(like.ratio, like.fixed, like.total, 0.0, *look(model, data.test, classify, 2))

    for number, done in one_by_one(model, data, recipes, Setting()):
        if not number:
            yield Found(*where, {}, done.start, tested(model, done.start))
        yield Found(*where, grid[number], done.steps[-1], tested(done.model, done.steps[-1]))


def table(found: list[Found]) -> str:
    """For each kind of data: how well each criterion orders the settings, and what choosing by it gives on test."""
    lines = []
    for kind in dict.fromkeys(one.kind for one in found):
        mine = [one for one in found if one.kind == kind]
        models = {(one.set, one.fold): one for one in mine if not one.params}  # the starts
        start = np.array([_measured(one.test) for one in models.values()]).mean(0)
        lines += [
            f"\n{kind}: {len(models)} models in {len({s for s, _ in models})} set(s); test EOpp1 {start[0]:.4f}, soft "
            f"{start[1]:.4f}, macro F1 {start[2]:.4f} before\n",
            f"| {' | '.join(COLUMNS)} |",
            f"|{'---|' * len(COLUMNS)}",
        ]
        for name, choice in RULES.items():
            for over in ("fold", "folds"):
                rows = [_row(mine, place, choice, over) for place in models]
                sets = [place[0] if kind == "lesions" else place[1] for place in models]
                means = np.array(
                    [
                        np.nanmean([r for r, s in zip(rows, sets, strict=True) if s == one], axis=0)
                        for one in dict.fromkeys(sets)
                    ]
                )
                mean, error = np.nanmean(means, 0), np.nanstd(means, 0, ddof=1) / np.sqrt(len(means))
                cells = " | ".join(f"{m:+.3f} ± {e:.3f}" for m, e in zip(mean, error, strict=True))
                lines.append(f"| {name} | {over} | {cells} |")
    return "\n".join(lines)


Values = Callable[[Step, Step], float]  # start, end -> what a rule compares: the smallest is taken


def _gap(name: str) -> Values:
    return lambda start, end: end.criteria[name]


def _fate(name: str) -> Values:
    return lambda start, end: -fate(_f1(end), _f1(start), end.criteria[name], start.criteria[name])


RULES: dict[str, tuple[Values, bool]] = {
    **{f"gap:{name}:{WITHIN}": (_gap(name), True) for name in CRITERIA},
    **{f"fate:{name}": (_fate(name), False) for name in CRITERIA},
}


def _row(found: list[Found], place: tuple[int, int], how: tuple[Values, bool], over: str) -> list[float]:
    """What a rule comes to for one model.

    Rank correlations with test EOpp1 and soft EOpp1, over all settings and over those near the start in macro F1; changes on
    test of EOpp1, soft EOpp1 and macro F1; and EOpp1 above that of the best setting within the bound on test.
    """
    value, bounded = how
    mine = sorted((one for one in found if (one.set, one.fold) == place), key=lambda one: list(one.params.values()))
    said = [_said(found, one, over) for one in mine]
    values = [value(said[0], step) for step in said]
    truth = np.array([_measured(one.test) for one in mine])
    allowed = [at for at, step in enumerate(said) if at and (not bounded or _f1(step) >= _f1(said[0]) - WITHIN)]
    chosen = min(allowed, key=lambda at: values[at]) if allowed else 0
    within = truth[:, 2] >= truth[0, 2] - WITHIN
    near = [at for at in range(1, len(mine)) if truth[at, 2] >= truth[0, 2] - NEAR]
    every = range(1, len(mine))
    asked = [(every, 0), (every, 1), (near, 0), (near, 1)]
    ranks = [_rank_correlation([values[at] for at in those], truth[list(those), column]) for those, column in asked]
    return [*ranks, *(truth[chosen] - truth[0]), truth[chosen, 0] - truth[within, 0].min()]


def _said(found: list[Found], one: Found, over: str) -> Step:
    """What validation says of a setting: in its fold, or in all folds whose validation part is not this fold's test part."""
    if over == "fold":
        return one.val
    same = [other for other in found if other.set == one.set and other.params == one.params]
    tests = (one.fold - 1) % len(same) if one.kind == "ham" else None
    steps = [other.val for other in same if other.fold != tests]
    counts, soft = steps[0].counts, steps[0].soft
    assert soft is not None
    for step in steps[1:]:
        assert step.soft is not None
        counts, soft = counts + step.counts, soft + step.soft
    return Step(one.val.ratio, one.val.fixed, one.val.total, 0.0, counts, soft)


def _measured(step: Step) -> tuple[float, float, float]:
    return step.criteria["eopp1"], step.criteria["soft_eopp1"], _f1(step)


def _f1(step: Step) -> float:
    return float(np.mean(f1(step.counts.counts)))


def _rank_correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Spearman's, with ranks of equals averaged; NaN for fewer than three."""
    if len(np.asarray(one)) < 3:
        return float("nan")
    ranks = []
    for values in (np.asarray(one), np.asarray(other)):
        ranks.append([(values < value).sum() + ((values == value).sum() - 1) / 2 for value in values])
    return float(np.corrcoef(*ranks)[0, 1])


def _written(found: Found) -> dict[str, Any]:
    parts = {"kind": found.kind, "set": found.set, "fold": found.fold, "params": found.params}
    for name, step in (("val", found.val), ("test", found.test)):
        assert step.soft is not None
        sums = {key: getattr(step.soft, key).tolist() for key in ("support", "true_prob", "log_loss")}
        parts[name] = {"ratio": step.ratio, "counts": step.counts.counts.tolist()} | sums
    return parts


def read(path: Path) -> list[Found]:
    """What was found, as it was written down."""

    def step(record: dict[str, Any]) -> Step:
        seen = Seen(
            GroupCounts(np.array(record["counts"], dtype=np.int64)),
            Soft(np.array(record["support"]), np.array(record["true_prob"]), np.array(record["log_loss"])),
        )
        return Step(record["ratio"], 0, 0, 0.0, *seen)

    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [Found(r["kind"], r["set"], r["fold"], r["params"], step(r["val"]), step(r["test"])) for r in records]


if __name__ == "__main__":
    main()
