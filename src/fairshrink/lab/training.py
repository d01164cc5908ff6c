"""Training one fold's model, or taking the user's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fairshrink.compress.recipe import weakest_group
from fairshrink.compress.units import compressible
from fairshrink.data.portions import ALONE
from fairshrink.data.splits import VAL
from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import read_json, write_json
from fairshrink.lab.data import find
from fairshrink.lab.doubts import doubts
from fairshrink.lab.exit_settings import COMPARING
from fairshrink.lab.leaving import settle
from fairshrink.lab.origins import file_digests, load_checkpoint, other_file
from fairshrink.lab.predicting import predict_fold
from fairshrink.lab.records import scores
from fairshrink.lab.store import FoldPaths, StagePaths, write_lines
from fairshrink.lab.teaching import teacher_of
from fairshrink.lab.together import Call, call, group, own_device
from fairshrink.lab.work import Work, group_code, scoring_rows, training_images
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.maths.sharing import Share
from fairshrink.metrics.counts import GroupCounts
from fairshrink.train.loop import fit
from fairshrink.train.objectives import Objective, make
from fairshrink.train.processes import crew


def train_folds(work: Work, stage: StagePaths) -> None:
    """Train the models of all folds, with all processes that there are, and predict their test parts."""
    _check_files(work, [stage.fold(fold) for fold in range(stage.folds)])
    if crew().count > 1 and not work.experiment.model.checkpoint:
        _train_together(work, stage)
    for fold in range(stage.folds):
        work.observer.say(stage.title(fold))
        train_fold(work, fold, stage.fold(fold))


def _train_together(work: Work, stage: StagePaths) -> None:
    """Train the models that are not there yet; what follows on a training is process 0's, when the others have left the group."""
    missing = tuple(fold for fold in range(stage.folds) if not stage.fold(fold).model.exists())
    if not missing:
        return
    _check_batch(work.experiment.train.batch_size, crew().count)
    _check_shareable(work.experiment.train.objective)
    device = own_device()
    call(Call(missing, work.prepared.dataset.digest, device.type, work.precision), work.observer)
    with group(device) as share:
        for fold in missing:
            work.observer.say(f"{stage.title(fold)}, by {share.count} processes")
            work.save(stage.fold(fold), trained(work, fold, stage.fold(fold), share))


def _check_batch(size: int, count: int) -> None:
    if size < 2 * count:
        raise ConfigError(
            f"train.batch_size is {size}, and shared out among {count} processes, each of which needs two images or more.\n"
            f"  Start at most {size // 2} processes, or give a larger batch (which is another experiment)."
        )


def _check_shareable(objective: str) -> None:
    """Before a teacher is trained for hours."""
    if objective in COMPARING:
        raise ConfigError(
            f"train.objective is '{objective}', which compares the images of a batch, of which {crew().count} processes would "
            "each have a part. Train with one process."
        )


def train_fold(work: Work, fold: int, folder: FoldPaths) -> None:
    """Train the model of one fold, or take the user's checkpoint; then predict its test part."""
    _check_files(work, [folder])
    if not folder.model.exists():
        model = (
            load_checkpoint(_checkpoint(work), work.card)
            if work.experiment.model.checkpoint
            else trained(work, fold, folder, ALONE)
        )
        work.save(folder, model)
    folder.state.unlink(missing_ok=True)
    if not folder.result.exists():
        settle(work, fold, folder)
        model, _ = work.load(folder)
        counts = work.counts(model, work.prepared.rows(fold, VAL), task=work.task_in(folder))
        favoured, measured = _unprivileged(work, counts)
        by_group = {name: row["f1"] for name, row in scores(counts.counts, work.groups).items()}
        record = {"fold": fold, "group": work.groups[favoured], "measured": measured, "f1": by_group}
        record |= file_digests(work.experiment, work.beside)
        if work.experiment.model.checkpoint:
            record["notes"] = doubts(counts.counts.sum(axis=0), work.prepared.dataset.classes)
        write_json(folder.result, record)
        how = "measured: lowest macro F1 on validation" if measured else "as the experiment says"
        for note in record.get("notes", []):
            work.observer.say(f"fold {fold}: note: {note}")
        values = ", ".join(f"{name} {value:.3f}" for name, value in by_group.items())
        work.observer.say(f"fold {fold}: unprivileged group '{work.groups[favoured]}' ({how}; {values})")
    predict_fold(work, fold, folder)


def _checkpoint(work: Work) -> Path:
    return find(str(work.experiment.model.checkpoint), work.beside, work.experiment.data.source)


def _check_files(work: Work, folders: Sequence[FoldPaths]) -> None:
    """What finished folds started from is still what the others would start from."""
    records = [read_json(folder.result) for folder in folders if folder.result.exists()]
    now = file_digests(work.experiment, work.beside) if records else {}
    for record in records:
        if name := other_file(now, record):
            model = work.experiment.model
            teacher = work.experiment.train.teacher
            kinds = {"checkpoint": model.checkpoint, "weights": model.weights, "teacher": teacher}
            kind, path = "weights file" if name == "weights" else name, kinds[name]
            raise StoreError(
                f"the {kind} '{path}' is not the one that this run began with.\n"
                "  Restore it, or give another folder with --out: results of two models must not be mixed."
            )


def trained(work: Work, fold: int, folder: FoldPaths, share: Share) -> nn.Module:
    """The model of one fold, trained by one process or by all of a group, of which process 0 alone writes.

    Where the objective compares it with a teacher, that one comes first.

    Args:
        work: What every stage needs.
        fold: Which fold.
        folder: Where the state of the training and its history lie.
        share: Which process of how many.
    """

    def plainly(place: FoldPaths, name: str) -> nn.Module:
        return _fitted(work, fold, (place, share, _objective(work, name)))

    name = work.experiment.train.objective
    objective = _objective(work, name, teacher_of(work, fold, folder, plainly))
    return _fitted(work, fold, (folder, share, objective))


def _objective(work: Work, name: str, teacher: nn.Module | None = None) -> Objective:
    weights = (1.0,) if work.exits is None else work.exits.weights
    return make(name, task=work.task, weights=weights, strength=work.experiment.train.strength, teacher=teacher)


def _fitted(work: Work, fold: int, how: tuple[FoldPaths, Share, Objective]) -> nn.Module:
    settings, (folder, share, objective) = work.experiment.train, how
    # The others get their weights from process 0.
    model = work.new_model(pretrained=share.rank == 0).to(work.device)

    def validate(model: nn.Module) -> dict[str, float]:
        counts = work.counts(model, work.prepared.rows(fold, VAL), work.precision, share)
        row = scores(counts.counts.sum(axis=0, keepdims=True), ["all"])["all"]
        return {"accuracy": row["accuracy"], "f1": row["f1"]}

    def progress(epoch: int, batch: int, batches: int, loss: float) -> None:
        what = f"training, fold {fold}, loss {loss:.3f}"
        work.observer.advance(what, epoch * batches + batch, settings.epochs * batches)

    history = fit(
        model,
        training_images(work, fold),
        settings.loop(work.precision),
        num_groups=len(work.groups),
        objective=objective,
        state_file=folder.state,
        validate=validate,
        observer=progress,
        share=share,
    )
    if share.rank == 0:
        write_lines(folder.history, [{"fold": fold} | epoch.record() for epoch in history])
    return model


def _unprivileged(work: Work, counts: GroupCounts) -> tuple[int, bool]:
    wanted = work.experiment.shrink_defaults.unprivileged
    if wanted == "auto":
        return weakest_group(counts), True
    return group_code(work, wanted), False


def first_layer_saliency(work: Work, folder: FoldPaths, samples: int) -> dict[str, Any]:
    """Saliency of the first layer's weights by group, each group's divided by its largest (Wu et al. 2022, Fig. 1)."""
    model, _ = work.load(folder)
    # The heads of a model with exits are no layers at its beginning.
    name, weight = next((name, w) for name, w in compressible(model).items() if not name.startswith("heads."))
    rows = scoring_rows(work, 0, samples, by_group=True)
    batches = work.loader(rows, batch_size=work.experiment.shrink_defaults.batch)
    curvature, _ = ggn_diagonal(model, batches, num_groups=len(work.groups), task=work.task, params=[name])
    saliency = 0.5 * curvature[name].double().flatten(1) * weight.detach().double().flatten().square()
    saliency = saliency / saliency.amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    values = [[round(float(v), 5) for v in row] for row in saliency]
    return {"layer": name, "groups": list(work.groups), "samples": samples, "values": values}
