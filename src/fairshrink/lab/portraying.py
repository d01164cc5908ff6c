"""The portrait of a shrink step: what it did to the first fold's weights, written once."""

from fairshrink.files import read_json, write_json
from fairshrink.lab.portrait import Parts, portrait
from fairshrink.lab.shrinking import Shrinking
from fairshrink.lab.work import scoring_rows

SAMPLES = 64  # of each group, as for the picture of the first layer


def portray(shrinking: Shrinking) -> None:
    """Write the portrait of a complete stage, unless it is there or nothing was fixed.

    Raises:
        StoreError: It cannot be written.
    """
    work, step, stage = shrinking.work, shrinking.step, shrinking.stage
    chosen = read_json(stage.fold(0).result)["chosen"]
    if stage.portrait.exists() or chosen is None:
        return
    recipe = step.recipe(step.candidates()[chosen])
    if not recipe.fixes:
        return
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
    )
    write_json(stage.portrait, portrait(parts))
