import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from fairshrink.errors import StoreError
from fairshrink.report.reading import read_run
from fairshrink.report.runs_spread import f1_interval
from fairshrink.tables import safe_csv
from report.fake_run import write_fake_run
from report.fake_runs import seed_plan

ATTRIBUTES = {"sex": ("female", "male"), "age >= 60": ("age < 60", "age >= 60"), "sex & age >= 60": ("a", "b")}


def predictions(rows=600):
    rng = np.random.default_rng(0)
    label = rng.choice(["one", "two", "three"], rows, p=[0.3, 0.5, 0.2])
    wrong = rng.random(rows) < 0.3
    predicted = np.where(wrong, rng.choice(["one", "two", "three"], rows), label)
    sex = rng.choice(["female", "male", ""], rows, p=[0.5, 0.45, 0.05])
    age = rng.choice(["age < 60", "age >= 60"], rows)
    lesion = rng.integers(0, rows // 2, rows)
    return pd.DataFrame({"label": label, "prediction": predicted, "sex": sex, "age >= 60": age, "cluster": lesion})


@pytest.fixture
def folder(tmp_path):
    names = [f"{sex} & {age}" for sex in ATTRIBUTES["sex"] for age in ATTRIBUTES["age >= 60"]]
    attributes = ATTRIBUTES | {"sex & age >= 60": tuple(names)}
    return write_fake_run(tmp_path / "run", seed_plan(0, attributes=attributes))


def interval(folder, table, attribute="sex"):
    place = folder / "stages" / "01-obd" / "predictions.csv"
    place.write_text(safe_csv(table) if isinstance(table, pd.DataFrame) else table, encoding="utf-8")
    run = read_run(folder)
    return f1_interval(run, run.stages[1], attribute)


def average_f1(table):
    known = table[table["sex"] != ""]
    return np.mean([f1_score(of["label"], of["prediction"], average="macro") for _, of in known.groupby("sex")])


def test_the_interval_is_that_of_rows_drawn_again_one_by_one(folder):
    table = predictions().drop(columns="cluster")
    low, high = interval(folder, table)
    rng = np.random.default_rng(1)
    cells = [of for _, of in table[table["sex"] != ""].groupby(["sex", "label"])]
    drawn = [average_f1(pd.concat([of.iloc[rng.integers(0, len(of), len(of))] for of in cells])) for _ in range(150)]
    assert low < average_f1(table) < high
    assert high - low == pytest.approx(np.ptp(np.quantile(drawn, (0.025, 0.975))), rel=0.25)


def test_clusters_and_intersections_are_drawn_too(folder):
    low, high = interval(folder, predictions())
    assert 0 < low < high < 1
    low, high = interval(folder, predictions(), "sex & age >= 60")
    assert 0 < low < high < 1


def test_images_of_one_lesion_are_drawn_together(folder):
    rows = predictions(60).drop(columns="cluster")
    table = pd.concat([rows.assign(cluster=range(60))] * 10)
    together, apart = (np.ptp(interval(folder, one)) for one in (table, table.drop(columns="cluster")))
    assert together > 2 * apart


def test_what_is_not_there_has_no_interval(folder):
    run = read_run(folder)
    assert f1_interval(run, run.stages[2], "sex") == (None, None)
    assert interval(folder, predictions().drop(columns="sex")) == (None, None)
    assert f1_interval(run, run.stages[1]._replace(place=""), "sex") == (None, None)


def test_what_was_edited_is_refused(folder):
    with pytest.raises(StoreError, match="a label or prediction that is none of the 3 classes of data.json"):
        interval(folder, predictions().replace("one", "four"))
    with pytest.raises(StoreError, match="predictions.csv' cannot be read as a table"):
        interval(folder, "")
