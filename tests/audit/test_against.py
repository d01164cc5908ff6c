import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from fairshrink.audit import adjust, compare
from fairshrink.audit.against import AgainstRequest, compare_files, run_against
from fairshrink.audit.file import AuditRequest, run_audit_command
from fairshrink.audit.reading import Columns
from fairshrink.cli import app
from fairshrink.errors import ConfigError, DataError

CLASSES = np.array(["bcc", "mel", "nv"])
COLUMNS = Columns("dx", ["sex", "age >= 60"], "pred", "lesion")


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    y, sex = rng.choice(3, 300, p=[0.2, 0.3, 0.5]), rng.choice(["female", "male", ""], 300, p=[0.48, 0.48, 0.04])
    a = np.where(rng.random(300) < np.where((sex == "male") & (y == 1), 0.2, 0.9), y, rng.integers(0, 3, 300))
    b = np.where(rng.random(300) < 0.5, y, a)
    shared = {"id": [f"i{n}" for n in range(300)], "dx": CLASSES[y], "sex": sex, "age": rng.integers(20, 90, 300)}
    shared |= {"lesion": np.arange(300) // 2}
    return [pd.DataFrame(shared | {"pred": CLASSES[pred]}) for pred in (a, b)]


@pytest.fixture
def write(tmp_path):
    def to_csv(frame, name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        frame.to_csv(path, index=False)
        return path

    return to_csv


def compared(*paths, columns=COLUMNS, **options):
    return compare_files(AgainstRequest(paths[0], paths[1:], columns, n_boot=50, **options))


def same(first, second):
    return first.to_dict() | {"models": []} == second.to_dict() | {"models": []}


def test_files_are_compared_as_their_columns_are(frames, write):
    a, b = frames
    found = compared(write(a, "a.csv"), write(b, "b.csv"))[0]
    age = np.where(a.age >= 60, "age >= 60", "age < 60")
    direct = compare(a.dx, a.pred, b.pred, {"sex": a.sex, "age >= 60": age}, clusters=a.lesion, n_boot=50)
    assert found.models == ("a.csv", "b.csv")
    assert same(found, direct)


@pytest.mark.parametrize("without", [[], ["dx"], ["sex", "age", "lesion"], ["dx", "sex", "age", "lesion"]])
def test_by_id_the_order_and_missing_columns_do_not_matter(frames, write, without):
    a, b = frames
    shuffled = b.sample(frac=1, random_state=0).drop(columns=without)
    whole, partly = (compared(write(a, "a.csv"), write(frame, "b.csv"))[0] for frame in (b, shuffled))
    assert same(whole, partly)


def test_without_ids_by_position(frames, write):
    a, b = frames
    whole = compared(write(a, "a.csv"), write(b, "b.csv"))[0]
    assert same(whole, compared(write(a, "a.csv"), write(b.drop(columns="id"), "b.csv"))[0])
    with pytest.raises(DataError, match="are not the same image"):
        compared(write(a, "a.csv"), write(b.drop(columns="id")[::-1], "b.csv"))


def test_several_models_are_adjusted_together_and_told_apart(frames, write):
    a, b = frames
    paths = [write(a, "00/p.csv"), write(b, "01/p.csv"), write(a, "02/p.csv")]
    found = compared(*paths)
    assert [one.models for one in found] == [("00/p.csv", "01/p.csv"), ("00/p.csv", "02/p.csv")]
    alone = [compared(paths[0], path)[0] for path in paths[1:]]
    for one, other in zip(found, adjust(alone), strict=True):
        assert same(one, other)
    assert compared(paths[0], paths[0])[0].models[0].endswith("00/p.csv")


def test_probabilities_take_the_place_of_predictions(frames, write):
    a, b = frames
    certain = [
        frame.drop(columns="pred").assign(**{f"prob_{name}": (frame.pred == name) * 1.0 for name in classes})
        for frame, classes in ((a, CLASSES), (b, [*CLASSES, "scc"]))
    ]
    columns = Columns("dx", ["sex", "age >= 60"], cluster="lesion")
    found = compared(write(certain[0], "a.csv"), write(certain[1], "b.csv"), columns=columns)[0]
    assert found.num_classes == 4  # B alone knows of one more
    declared = Columns("dx", ["sex", "age >= 60"], "pred", "lesion", [*CLASSES, "scc"])
    assert same(found, compared(write(a, "a.csv"), write(b, "b.csv"), columns=declared)[0])


def test_a_class_that_only_b_predicts_counts_beside_declared_ones(frames, write):
    a, b = frames
    with_prob = a.assign(**{f"prob_{name}": (a.pred == name) * 1.0 for name in CLASSES})
    found = compared(write(with_prob, "a.csv"), write(b.assign(pred=["scc", *b.pred[1:]]), "b.csv"))[0]
    assert found.num_classes == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b.rename(columns={"pred": "prediction"}), "'b.csv' has no column 'pred'"),
        (lambda b: b.assign(pred=["", *b.pred[1:]]), "the column 'pred' of 'b.csv' is empty in 1 of 300 rows"),
        (lambda b: b[1:], "row 2 of 'a.csv': the id 'i0' is not in 'b.csv'"),
        (lambda b: b.assign(sex="male"), "'sex' is 'female' there and 'male' here"),
        (lambda b: b.assign(lesion="L"), "'lesion' is '0' there and 'L' here"),
    ],
)
def test_files_that_cannot_be_compared(frames, write, change, words):
    a, b = frames
    with pytest.raises(DataError, match=words):
        compared(write(a, "a.csv"), write(change(b), "b.csv"))


def test_classes_of_two_kinds_name_the_files(frames, write):
    a, b = (frame.assign(dx=frame.dx.map({"bcc": 0, "mel": 1, "nv": 2})) for frame in frames)
    a = a.assign(pred=a.pred.map({"bcc": 0, "mel": 1, "nv": 2}))
    with pytest.raises(DataError, match=r"'b.csv' cannot be compared with 'a.csv': y_true holds numbers"):
        compared(write(a, "a.csv"), write(b, "b.csv"))


def test_tables_and_sentences_are_printed(frames, write):
    a, b = frames
    console = Console(file=io.StringIO(), width=140)
    request = AgainstRequest(write(a, "a.csv"), [write(b, "b.csv")], COLUMNS, n_boot=100)
    found = run_against(request, console)
    text = console.file.getvalue()
    assert found == [one.to_dict() for one in compare_files(request)]
    for words in (
        "B = b.csv against A = a.csv",
        "150 clusters",
        "macro F1",
        "tpr[mel]",
        "95 % interval",
        "note: change: B - A",
    ):
        assert words in text
    assert found[0]["attributes"]["sex"]["gaps"]["eopp1"]["verdict"] in text


def test_the_audit_command_adds_comparisons(frames, write, tmp_path):
    paths = [write(frame, name) for frame, name in zip(frames, ("a.csv", "b.csv"), strict=True)]
    console, pages = Console(file=io.StringIO(), width=140), []
    request = AuditRequest(
        paths[0], COLUMNS, n_boot=50, json=tmp_path / "x.json", against=[paths[1]], fail_if=["eopp1>0.9"]
    )
    assert run_audit_command(request, console, lambda audit, comparisons: pages.append(comparisons)) == 0
    data = json.loads(Path(request.json).read_text())
    assert data["comparisons"] == pages[0] == [compared(*paths)[0].to_dict()]
    assert "B = b.csv against A = a.csv" in console.file.getvalue()


def test_hidden_cells_are_not_given_away(frames, write):
    path = write(frames[0], "a.csv")
    with pytest.raises(ConfigError, match="--against cannot be used with --min-cell"):
        run_audit_command(AuditRequest(path, COLUMNS, min_cell=5, against=[path]), Console(file=io.StringIO()))


def test_the_command_line_takes_several_files(frames, write, tmp_path):
    a, b = (frame.rename(columns={"id": "slide"}) for frame in frames)
    paths = [write(a, "a.csv"), write(b[::-1], "b.csv"), write(a, "c.csv")]
    options = ["--label", "dx", "--prediction", "pred", "--group", "sex", "--id", "slide", "--n-boot", "40"]
    options += ["--against", str(paths[1]), "--against", str(paths[2])]
    options += ["--json", str(tmp_path / "x.json"), "--html", str(tmp_path / "x.html")]
    result = CliRunner().invoke(app, ["audit", str(paths[0]), *options])
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "x.json").read_text())
    assert [one["models"] for one in data["comparisons"]] == [["a.csv", "b.csv"], ["a.csv", "c.csv"]]
    assert data["comparisons"][1]["overall"]["f1"]["change"] == 0
    assert "b.csv" in (tmp_path / "x.html").read_text()
