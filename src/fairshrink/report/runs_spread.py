"""How much macro F1 owes to the test images of one model: their predictions, drawn again by lesion or patient."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from fairshrink.audit.inputs import encode_clusters
from fairshrink.errors import StoreError
from fairshrink.metrics.counts import count
from fairshrink.metrics.draws import draw_within, kind_rates
from fairshrink.metrics.rates import f1_of
from fairshrink.metrics.units import Units, units_of_clusters, units_of_rows
from fairshrink.report.records import Run, Stage
from fairshrink.tables import read_safe_csv

DRAWS, SEED, _PURPOSE = 300, 0, 6
_ENDS = (0.025, 0.975)
Ends = tuple[float | None, float | None]


def f1_interval(run: Run, stage: Stage, attribute: str) -> Ends:
    """The 95 % percentile interval of macro F1, average of the groups.

    Images (clusters, where the predictions name them) are drawn again within group and class, as for the gaps.

    Returns:
        (None, None) where the stage has no predictions.csv, or the attribute is no column of it.

    Raises:
        StoreError: predictions.csv is there but cannot be read, or names a class that the data have not.
    """
    path = run.folder / "stages" / stage.place / "predictions.csv"
    if not stage.place or not path.exists():
        return (None, None)
    groups = tuple(stage.audit.attributes[attribute].groups)
    return _interval(path.resolve(), path.stat().st_mtime_ns, attribute, groups, tuple(run.data.classes))


@lru_cache(maxsize=256)  # a table, a picture and a file ask for the same number
def _interval(path: Path, _written: int, attribute: str, groups: tuple[str, ...], classes: tuple[str, ...]) -> Ends:
    table = _with_intersection(_read(path), attribute)
    if not {attribute, "label", "prediction"} <= set(table.columns):
        return (None, None)
    units = _units(table, attribute, groups, classes, path)
    rng = np.random.default_rng([SEED, _PURPOSE])
    drawn = units.margins(draw_within(units, kind_rates(units), rng, DRAWS))
    low, high = np.quantile(f1_of(drawn).mean(-1), _ENDS).tolist()
    return (None, None) if np.isnan(low) else (low, high)


def _read(path: Path) -> pd.DataFrame:
    try:
        return read_safe_csv(path)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"'{path}' cannot be read as a table: {error}. Remove it, and start the run again: it is made anew."
        ) from error


def _with_intersection(table: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """An attribute such as 'sex & age >= 60' has no column of its own, but its parts have."""
    parts = attribute.split(" & ")
    if attribute in table or not set(parts) <= set(table.columns):
        return table
    joined = table[parts].agg(" & ".join, axis=1)
    return table.assign(**{attribute: joined})


def _units(table: pd.DataFrame, attribute: str, groups: tuple[str, ...], classes: tuple[str, ...], path: Path) -> Units:
    group, true, pred = (
        pd.Index(names).get_indexer(pd.Index(table[column])).astype(np.int64)
        for column, names in ((attribute, groups), ("label", classes), ("prediction", classes))
    )
    if (true < 0).any() or (pred < 0).any():
        raise StoreError(
            f"'{path}' has a label or prediction that is none of the {len(classes)} classes of data.json. It was edited: "
            "remove it, and start the run again."
        )
    counts = count(true, pred, group, num_groups=len(groups), num_classes=len(classes))
    clusters, _ = encode_clusters(table.get("cluster"), len(table))
    return units_of_rows(counts) if clusters is None else units_of_clusters(true, pred, group, clusters, counts)
