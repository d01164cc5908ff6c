import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from fairshrink.audit import audit
from fairshrink.audit.file import AuditRequest, audit_file, run_audit_command
from fairshrink.audit.reading import Columns
from fairshrink.errors import ConfigError, DataError

CLASSES = np.array(["bcc", "mel", "nv"])


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    y = rng.choice(3, 300, p=[0.2, 0.3, 0.5])
    sex = rng.choice(["female", "male", ""], 300, p=[0.48, 0.48, 0.04])
    p = np.where(rng.random(300) < np.where((sex == "male") & (y == 1), 0.2, 0.9), y, rng.integers(0, 3, 300))
    table = {"id": np.arange(300), "dx": CLASSES[y], "pred": CLASSES[p], "sex": sex, "age": rng.integers(20, 90, 300)}
    return pd.DataFrame(table | {"lesion": np.arange(300) // 2})


@pytest.fixture
def write(tmp_path):
    def to_csv(table, name="predictions.csv", **options):
        path = tmp_path / name
        if isinstance(table, str | bytes):
            path.write_bytes(table if isinstance(table, bytes) else table.encode())
        else:
            table.to_csv(path, index=False, **options)
        return path

    return to_csv


def request(path, **changes):
    known = {"label": "dx", "prediction": "pred", "groups": ["sex"]} | changes
    columns = {name: known.pop(name) for name in list(known) if name in Columns.__dataclass_fields__}
    return AuditRequest(**{"predictions": path, "columns": Columns(**columns), "n_boot": 40} | known)


def run(path, **changes):
    console = Console(file=io.StringIO(), width=140)
    status = run_audit_command(request(path, **changes), console)
    return status, console.file.getvalue()


def test_a_file_is_audited_as_its_columns_are(frame, write):
    found = audit_file(request(write(frame), groups=["sex", "age >= 60"], cluster="lesion"))
    age = np.where(frame.age >= 60, "age >= 60", "age < 60")
    direct = audit(frame.dx, frame.pred, {"sex": frame.sex, "age >= 60": age}, clusters=frame.lesion, n_boot=40)
    assert found.to_dict() == direct.to_dict()
    assert list(found.attributes) == ["sex", "age >= 60", "sex & age >= 60"]


@pytest.mark.parametrize("options", [{"encoding": "utf-8-sig"}, {"lineterminator": "\r\n"}, {"quoting": 1}], ids=str)
def test_bom_crlf_and_quotes_change_nothing(frame, write, options):
    assert (
        audit_file(request(write(frame, **options))).to_dict() == audit_file(request(write(frame, "b.csv"))).to_dict()
    )


def test_tables_json_and_exit_status(frame, write, tmp_path):
    status, text = run(write(frame), json=tmp_path / "audit.json", fail_if=["tpr[mel]>0.99", "accuracy<0.1"])
    assert status == 0
    data = json.loads((tmp_path / "audit.json").read_text())
    assert data["attributes"]["sex"]["gaps"]["eopp1"]["undefined"] == 0
    for word in ("300 predictions", "female", "above chance", "mel", "95 % interval", "null floor", "union of labels"):
        assert word in text
    status, text = run(write(frame), fail_if=["tpr[mel]>0.99", "tpr[mel]>0.2"])
    assert status == 1
    assert "--fail-if tpr[mel]>0.2 holds: tpr[mel] is 0." in text
    assert "0.99" not in text


def test_the_page_is_written_from_the_audit_even_when_a_condition_holds(frame, write, tmp_path):
    pages = []
    console = Console(file=io.StringIO(), width=140)
    asked = request(write(frame), fail_if=["accuracy>0.1"], min_cell=2)
    assert run_audit_command(asked, console, lambda found, _: pages.append(found)) == 1
    assert pages[0].attributes["sex"].min_cell == 2


def test_an_undecidable_condition_is_an_error_even_beside_one_that_holds(frame, write):
    with pytest.raises(DataError, match="cannot be decided"):
        run(write(frame), classes=["bcc,mel,nv,df"], fail_if=["tpr[mel]>0.2", "tpr[df]>0.2"])


def test_probabilities_give_predictions_and_classes(frame, write):
    table = frame.copy()
    for name in ("mel", "df", "nv", "bcc"):
        table[f"prob_{name}"] = np.where(table.pred == name, 0.7, 0.1)
    found = audit_file(request(write(table), prediction=None))
    assert found.class_names == ("mel", "df", "nv", "bcc")
    assert found.overall["accuracy"] == pytest.approx((frame.dx == frame.pred).mean())
    ordered = audit_file(request(write(table), prediction=None, classes=["bcc", "df", "mel", "nv"]))
    assert ordered.class_names == ("bcc", "df", "mel", "nv")


def test_of_equal_probabilities_the_first_class_is_taken(write):
    path = write("dx,sex,prob_b,prob_a\na,f,0.5,0.5\nb,f,0.5,0.5\na,m,0.4,0.6\nb,m,0.6,0.4\n")
    found = audit_file(request(path, prediction=None))
    assert found.by_group["accuracy"].to_list() == [0.5, 1.0]


@pytest.mark.parametrize("pred", ["1.0,0.0,1.0,1.0", "01,0,1,1"])
def test_whole_numbers_are_one_class_however_written(write, pred):
    rows = zip("1010", pred.split(","), "ffmm", strict=True)
    path = write("dx,pred,sex\n" + "\n".join(",".join(row) for row in rows))
    found = audit_file(request(path, classes=["3"]))
    assert (found.num_classes, found.class_names) == (3, ("0", "1", "2"))
    assert found.overall["accuracy"] == 0.75
    assert audit_file(request(path)).class_names == ("0", "1")
    assert audit_file(request(path, classes=["1,0"])).class_names == ("1", "0")


def test_minus_one_is_unknown_in_a_column_of_whole_numbers(write):
    path = write("dx,pred,sex\na,a,1\nb,b,2\na,b,-1\nb,b,1\na,a,2\n")
    found = audit_file(request(path)).attributes["sex"]
    assert (found.unknown, list(found.by_group.index)) == (1, ["1", "2"])


@pytest.mark.parametrize("nan", ["nan", "NaN", "NAN"])
@pytest.mark.parametrize(("column", "row"), [("dx", "{},a,f"), ("pred", "a,{},f")])
def test_nan_is_no_class(write, nan, column, row):
    path = write("dx,pred,sex\n" + row.format(nan) + "\nb,b,m\na,b,f\n")
    text = (
        f"'{column}' of 'predictions.csv' is empty in 1 of 3 rows: 2. 'nan' is read as empty unless --classes names it"
    )
    with pytest.raises(DataError, match=text):
        audit_file(request(path))


def test_na_and_none_are_classes_and_so_is_nan_where_it_is_named(write):
    path = write("dx,pred,sex\nNA,NA,f\nNone,NA,m\n")
    assert audit_file(request(path)).class_names == ("NA", "None")
    path = write("dx,pred,sex\nnan,nan,f\nb,nan,m\n")
    assert audit_file(request(path, classes=["b,nan"])).class_names == ("b", "nan")


def test_names_are_text_not_markup_and_not_control_signs(write):
    path = write("dx,pred,sex\n[red]a,[red]a,\x1b[31mf\n[red]a,b,m[/]\nb,b,\x1b[31mf\nb,b,m[/]\n")
    _, text = run(path)
    assert "[red]a" in text
    assert "m[/]" in text
    assert "\\x1b[31mf" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("content", "changes", "text"),
    [
        ("", {}, "'predictions.csv' is empty"),
        ("dx,pred,sex\n", {}, "has a header but no rows"),
        ("dx,pred,sex,sex\na,a,f,m\n", {}, "names a column twice: 'sex'"),
        ("dx,predd,sex\na,a,f\n", {}, "has no column 'pred'. Did you mean 'predd'"),
        ("dx|pred|sex\na|a|f\n", {}, "Save it with commas"),
        ("dx,pred,sex\na,a\n", {}, "row 2 of 'predictions.csv' does not have 3 cells"),
        ("dx,pred,sex\na,a,f\n,a,m\nb, ,m\n", {}, "'dx' of 'predictions.csv' is empty in 1 of 3 rows: 3"),
        ("dx,pred,sex\na,a,f\nb,b,f\n", {}, "'sex' has one group only, 'f'"),
        (
            "dx,pred,sex\na,a,f\nb,c,m\n",
            {"classes": ["a,b"]},
            "row 3 of 'predictions.csv': pred is 'c', which is not among",
        ),
        ("dx,pred,sex\na,a,f\nb,b,m\n", {"cluster": "lesion"}, "has no column 'lesion'"),
        ("dx,pred,sex\n0,0,f\n5,1,m\n", {"classes": ["3"]}, "row 3 .* dx is '5', which is not among the 3 classes"),
        (b"dx,pred,sex\na,a,\xff\n", {}, "is not UTF-8 text"),
    ],
)
def test_files_that_cannot_be_used(write, content, changes, text):
    with pytest.raises(DataError, match=text):
        audit_file(request(write(content), **changes))


@pytest.mark.parametrize(
    ("content", "changes", "text"),
    [
        ("dx,sex\na,f\n", {}, "has 0 columns 'prob_<class>'"),
        ("dx,sex,prob_a,prob_b\na,f,0.9,0.2\nb,m,0.5,0.5\n", {}, "row 2 .* add up to 1.100, expected 1. 1 rows"),
        (
            "dx,sex,prob_a,prob_b\na,f,1.5,-0.5\nb,m,0.5,0.5\n",
            {},
            "row 2 .* prob_a is '1.5', expected a number from 0 to 1",
        ),
        ("dx,sex,prob_a,prob_b\na,f,1,0\nb,m,nan,0.5\n", {}, "row 3 .* prob_a is 'nan'"),
        ("dx,sex,prob_a,prob_b\na,f,1,0\nb,m,,1\n", {}, "row 3 .* prob_a is ''"),
        ("dx,sex,prob_a,prob_b\na,f,1,0\nc,m,0,1\n", {}, "row 3 .* dx is 'c', which is not among the 2 classes"),
        ("dx,sex,prob_a,prob_b\na,f,1,0\nb,m,0,1\n", {"classes": ["a,c"]}, "has no column 'prob_c'"),
        (
            "dx,sex,prob_a,prob_b\na,f,1,0\nb,m,0,1\n",
            {"classes": ["a"]},
            "that --classes does not name: prob_b|'prob_b'",
        ),
    ],
)
def test_probabilities_that_cannot_be_used(write, content, changes, text):
    with pytest.raises(DataError, match=text):
        audit_file(request(write(content), prediction=None, **changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"groups": []}, "no group was given"),
        ({"groups": ["sex", " sex "]}, "the group 'sex' was given twice"),
        ({"classes": ["bcc,mel,nv,mel"]}, "a class is named twice in bcc, mel, nv, mel"),
        ({"convention": "pubished"}, "Did you mean 'published'"),
    ],
)
def test_requests_that_cannot_be_used(frame, write, changes, text):
    with pytest.raises(ConfigError, match=text):
        audit_file(request(write(frame), **changes))


def test_a_condition_is_read_before_anything_is_computed(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the condition"):
        run(tmp_path / "there is no such file.csv", fail_if=["eopp1"])


def test_with_min_cell_no_note_names_a_row_or_a_value(frame, write):
    broken = frame.assign(**{f"prob_{name}": np.where(frame.pred == name, 1.0, 0.0) for name in CLASSES})
    broken.loc[4, "prob_mel"] = 2.5
    path = write(broken)
    assert "row 6" in audit_file(request(path)).notes[0]
    notes = " ".join(audit_file(request(path, min_cell=3)).notes)
    assert "probabilities are not used" in notes
    assert "row 6" not in notes
    assert "2.5" not in notes


@pytest.mark.parametrize("output", ["json", "html"])
def test_no_output_is_written_over_an_input(frame, write, output):
    path = write(frame)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"'predictions.csv' would be overwritten: it is one of the files to audit"):
        run(path, **{output: path})
    assert path.read_bytes() == before


def test_two_outputs_are_two_files(frame, write, tmp_path):
    with pytest.raises(ConfigError, match="'same.x' would be overwritten: it is the other output as well"):
        run(write(frame), json=tmp_path / "same.x", html=tmp_path / "same.x")
