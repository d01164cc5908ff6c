"""A shrunk model against another, the trained one or its control, on the same test images."""

from pathlib import Path
from typing import Any

import pandas as pd

from fairshrink.audit import compare
from fairshrink.errors import StoreError
from fairshrink.files import read_json, write_json
from fairshrink.lab.store import StagePaths
from fairshrink.lab.work import Work
from fairshrink.tables import read_safe_csv


def compare_stage(work: Work, stage: StagePaths, other: StagePaths, target: Path) -> None:
    """Write the paired comparison of a complete stage with another one, the trained model or its control, once.

    A stage that an older version left without one gets it. p-values are adjusted within the stage; the report adjusts
    over all stages from the plain ones.

    Raises:
        StoreError: The two stages were not tested on the same images, or a file cannot be read or written.
    """
    if target.exists():
        return
    tables = [read_safe_csv(place.predictions) for place in (other, stage)]
    if tables[0]["id"].tolist() != tables[1]["id"].tolist():
        raise StoreError(
            f"'{other.predictions}' and '{stage.predictions}' are not of the same images in the same order.\n"
            "  One of them was edited: remove it, and it is made again."
        )
    titles = [read_json(place.record)["title"] for place in (other, stage)]
    write_json(target, _compare(work, tables[0], tables[1]) | {"models": titles})


def _compare(work: Work, before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    dataset = work.prepared.dataset
    groups = {name: pd.Categorical(before[name], categories=list(a.groups)) for name, a in dataset.attributes.items()}
    return compare(
        pd.Categorical(before["label"], categories=list(dataset.classes)),
        before["prediction"],
        after["prediction"],
        pd.DataFrame(groups),
        clusters=before.get("cluster"),
        seed=work.experiment.data.seed,
    ).to_dict()
