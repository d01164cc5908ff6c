"""Training one fold's model, or taking the user's own."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from fairshrink.compress.recipe import weakest_group
from fairshrink.compress.units import compressible
from fairshrink.data.loader import Loader
from fairshrink.data.splits import TRAIN, VAL
from fairshrink.errors import ModelError
from fairshrink.files import write_json
from fairshrink.lab.data import find
from fairshrink.lab.records import scores
from fairshrink.lab.store import FoldPaths, write_lines
from fairshrink.lab.work import Work, group_code, predict_fold, scoring_rows
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.metrics.counts import GroupCounts
from fairshrink.models.checkpoint import load_into, read_meta, read_weights
from fairshrink.train.loop import TrainSettings, fit
from fairshrink.train.objectives import find_objective

SCORING_BATCH = 64


def train_fold(work: Work, fold: int, folder: FoldPaths) -> None:
    """Train the model of one fold, or take the user's checkpoint; then predict its test part."""
    if not folder.model.exists():
        model = _from_checkpoint(work) if work.experiment.model.checkpoint else _trained(work, fold, folder)
        work.save(folder, model)
    folder.state.unlink(missing_ok=True)
    if not folder.result.exists():
        model, _ = work.load(folder)
        counts = work.counts(model, work.prepared.rows(fold, VAL))
        favoured, measured = _unprivileged(work, counts)
        by_group = {name: row["f1"] for name, row in scores(counts.counts, work.groups).items()}
        write_json(folder.result, {"fold": fold, "group": work.groups[favoured], "measured": measured, "f1": by_group})
        how = "measured: lowest macro F1 on validation" if measured else "as the experiment says"
        values = ", ".join(f"{name} {value:.3f}" for name, value in by_group.items())
        work.observer.say(f"fold {fold}: unprivileged group '{work.groups[favoured]}' ({how}; {values})")
    predict_fold(work, fold, folder)


def _from_checkpoint(work: Work) -> nn.Module:
    path = find(str(work.experiment.model.checkpoint), work.beside, work.experiment.data.source)
    model = work.new_model()
    load_into(model, read_weights(path))
    _check_classes(path, work.prepared.dataset.classes)
    return model


def _check_classes(path: Path, classes: tuple[str, ...]) -> None:
    """A checkpoint of ours knows its classes: those of the data must be the same, in the same order."""
    if not path.with_suffix(".json").exists():
        return
    own = read_meta(path).get("classes", list(classes))
    if own != list(classes):
        raise ModelError(
            f"the checkpoint '{path}' was trained for the classes {', '.join(own)}, but the data have {', '.join(classes)}.\n"
            "  The outputs would be read as the wrong classes: give the data the checkpoint's classes, or train a new model."
        )


def _trained(work: Work, fold: int, folder: FoldPaths) -> nn.Module:
    settings, rows = work.experiment.train, work.prepared.rows(fold, TRAIN)
    loader = Loader(
        work.prepared.dataset,
        rows,
        batch_size=settings.batch_size,
        shuffle=True,
        augment=settings.augment,
        sampler=settings.sampler,
        seed=settings.seed,
    )
    model = work.new_model(pretrained=True).to(work.device)

    def validate(model: nn.Module) -> dict[str, float]:
        counts = work.counts(model, work.prepared.rows(fold, VAL), work.precision)
        row = scores(counts.counts.sum(axis=0, keepdims=True), ["all"])["all"]
        return {"accuracy": row["accuracy"], "f1": row["f1"]}

    def progress(epoch: int, batch: int, batches: int, loss: float) -> None:
        what = f"training, fold {fold}, loss {loss:.3f}"
        work.observer.advance(what, epoch * batches + batch, settings.epochs * batches)

    own = {name: getattr(settings, name) for name in TrainSettings.__dataclass_fields__}
    history = fit(
        model,
        loader,
        TrainSettings(**own | {"precision": work.precision}),
        num_groups=len(work.groups),
        objective=find_objective(settings.objective),
        state_file=folder.state,
        validate=validate,
        observer=progress,
    )
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
    name, weight = next(iter(compressible(model).items()))
    rows = scoring_rows(work, 0, samples, by_group=True)
    batches = work.loader(rows, batch_size=SCORING_BATCH)
    curvature, _ = ggn_diagonal(model, batches, num_groups=len(work.groups), params=[name])
    saliency = 0.5 * curvature[name].double().flatten(1) * weight.detach().double().flatten().square()
    saliency = saliency / saliency.amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    values = [[round(float(v), 5) for v in row] for row in saliency]
    return {"layer": name, "groups": list(work.groups), "samples": samples, "values": values}
