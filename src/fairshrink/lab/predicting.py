"""Predictions of one fold's test part."""

from fairshrink.data.splits import TEST
from fairshrink.files import read_json, write_text
from fairshrink.lab.leaving import note_leaving, settle
from fairshrink.lab.records import predictions_table
from fairshrink.lab.store import FoldPaths
from fairshrink.lab.work import Work
from fairshrink.tables import safe_csv
from fairshrink.train.evaluate import predict


def predict_fold(work: Work, fold: int, folder: FoldPaths) -> None:
    """Predictions of one fold's test part, written once; of a model with exits, at the threshold that validation chose."""
    settle(work, fold, folder)
    noted = work.exits is None or "leave" in read_json(folder.exits)
    if folder.predictions.exists() and noted:
        return
    rows = work.prepared.rows(fold, TEST)
    model, _ = work.load(folder)
    seen = predict(model, work.loader(rows), task=work.task_in(folder))
    if work.exits is not None:
        note_leaving(work, folder, seen)
    names = None if work.exits is None else work.exits.names
    write_text(folder.predictions, safe_csv(predictions_table(work.prepared, rows, fold, seen, names)))
