"""The portrait of a shrink step, written once: what it did to the first fold's weights, and to every fold's channels."""

from fairshrink.compress.channels import find_layers
from fairshrink.compress.entanglement import Entanglement
from fairshrink.compress.recipe import Recipe
from fairshrink.files import read_json, write_json
from fairshrink.lab.analysis_labels import drawn_rows
from fairshrink.lab.analysis_store import channels_file
from fairshrink.lab.channel_portrait import Sides, channel_portrait
from fairshrink.lab.portrait import Parts, portrait
from fairshrink.lab.shrinking import Shrinking
from fairshrink.lab.work import scoring_rows

SAMPLES = 64  # of each group, as for the picture of the first layer
COMPARED, IMAGES = 128, 512  # of channels: at once, and in all
SCP, SCORE = "scp", "entanglement"


def portray(shrinking: Shrinking) -> None:
    """Write the portraits of a complete stage that are not there, of the folds whose model a candidate is.

    Raises:
        StoreError: They cannot be written.
    """
    for fold in range(shrinking.stage.folds):
        chosen = read_json(shrinking.stage.fold(fold).result)["chosen"]
        if chosen is None:
            continue
        recipe = shrinking.step.recipe(shrinking.step.candidates()[chosen])
        if fold == 0 and recipe.fixes and not shrinking.stage.portrait.exists():
            _weights(shrinking, recipe)
        if recipe.channels is not None and not channels_file(shrinking.stage.fold(fold)).exists():
            _channels(shrinking, fold, recipe)


def _weights(shrinking: Shrinking, recipe: Recipe) -> None:
    work, step, stage = shrinking.work, shrinking.step, shrinking.stage
    before, _ = work.load(shrinking.parent.fold(0))
    after, frozen = work.load(stage.fold(0))
    rows = scoring_rows(work, 0, SAMPLES, by_group=True)
    parts = Parts(
        before=before,
        after=after,
        frozen=frozen,
        recipe=recipe,
        data=work.loader(rows, batch_size=step.batch),
        groups=work.groups,
        unprivileged=shrinking.favoured(0),
        seed=work.experiment.train.seed,
        task=work.task,
    )
    write_json(stage.portrait, portrait(parts))


def _score(shrinking: Shrinking, fold: int) -> Entanglement:
    """By what channels are looked at: another order of selection, and none at all, as the step that they are compared with."""
    step, stage = shrinking.twin or (shrinking.step, shrinking.stage)
    chosen = read_json(stage.fold(fold).result)["chosen"]
    settings = step.candidates()[chosen or 0]
    own = step.recipe(settings).criterion
    if step.method == SCP:
        own = step.recipe(settings | {"select": SCORE}).criterion
    return own if isinstance(own, Entanglement) else Entanglement(compared=COMPARED)


def _channels(shrinking: Shrinking, fold: int, recipe: Recipe) -> None:
    work, folder, how = shrinking.work, shrinking.stage.fold(fold), _score(shrinking, fold)
    assert recipe.channels is not None
    size = how.compared or shrinking.step.batch
    batches = list(work.loader(drawn_rows(work, fold, IMAGES, size, known=True), batch_size=size))
    before = work.load(shrinking.parent.fold(fold))
    sides = Sides(
        before=before,
        after=work.load(folder),
        layers=find_layers(before[0], recipe.channels, batches[0].x[:2]),
        batches=batches,
        attribute=work.prepared.dataset.attribute().name,
        groups=work.groups,
        how=how,
        seed=work.experiment.train.seed,
    )
    write_json(channels_file(folder), channel_portrait(sides))
