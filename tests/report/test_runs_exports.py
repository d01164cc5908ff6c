import pandas as pd
import pytest

from fairshrink.report import runs_exports
from fairshrink.report.runs_changed import pick
from fairshrink.report.runs_measured import fate, gap
from fairshrink.tables import read_safe_csv


def test_models_have_every_number_with_its_interval(seeds):
    section = seeds.sections[0]
    frame = pd.DataFrame(runs_exports.model_rows(section))
    assert frame["model"].tolist() == ["Vanilla", "OBD", "FairPrune"]
    found, of = gap(section.methods[2], "sex", "eodd"), frame.iloc[2]
    assert (of["eodd"], of["eodd_low"], of["eodd_high"], of["eodd_floor"]) == (
        found.value,
        found.low,
        found.high,
        found.floor,
    )
    assert (of["eodd_over"], of["seeds"], of["eodd_seeds_above"]) == ("seeds", 3, found.above)
    assert of["fate_eopp1"] == fate(section.methods[2], "sex", "eopp1").value
    assert pd.isna(frame.iloc[0]["fate_eopp1"])


def test_every_row_has_the_cells_of_its_header(seeds, tmp_path):
    tables = {"models": runs_exports.model_rows(seeds.sections[0]), "published": []}
    runs_exports.write_tables(tmp_path, tables)
    lines = (tmp_path / "models.md").read_text().splitlines()
    assert len(lines) > 3
    assert len({line.count(" | ") for line in lines}) == 1
    assert read_safe_csv(tmp_path / "published.csv").empty


def test_every_seed_can_be_found_again(seeds):
    rows = runs_exports.seed_rows(seeds.sections[0])
    assert len(rows) == 9
    assert {(row["run"], row["stage"], row["train_seed"]) for row in rows if row["model"] == "OBD"} == {
        (f"seed-{seed}", "01-obd", seed) for seed in range(3)
    }
    values = [row["eopp1"] for row in rows if row["model"] == "OBD"]
    assert tuple(values) == gap(seeds.sections[0].methods[1], "sex", "eopp1").values


def test_differences_say_what_they_are_adjusted_for(seeds):
    rows = runs_exports.difference_rows(seeds.sections, seeds.differences)
    one = pick(seeds.differences, seeds.sections[0].methods[1], "sex", "f1")
    row = next(row for row in rows if (row["model"], row["quantity"]) == ("OBD", "f1"))
    assert (row["change"], row["p"], row["p_holm"], row["comparisons"]) == (one.value, one.p, one.p_holm, 8)
    assert (row["seeds_low"], row["images_high"], row["against"]) == (one.seeds.low, one.images.high, "Vanilla")
    assert row["in_words"].startswith("Macro F1 is")


def test_the_front_and_its_reference_are_written(seeds):
    rows = runs_exports.pareto_rows(seeds.sections[0], seeds.fronts[0])
    assert [row["on_front"] for row in rows] == [place.front for place in seeds.fronts[0][0].places]
    assert {(row["reference_f1"], row["reference_eopp1"]) for row in rows} == {(0.0, 1.0)}


def test_runs_that_are_not_compared_are_rows_too(seeds):
    rows = runs_exports.run_rows(seeds.sections, seeds.found.failed)
    assert [(row["run"], row["state"]) for row in rows] == [
        *((f"seed-{seed}", "compared") for seed in range(3)),
        ("broken", "failed"),
        ("waiting", "waits for a run that failed"),
    ]
    assert rows[3]["error"] == "DataError: row 3 of <b>x</b> has no label"
    assert len(rows[0]["config_sha256"]) == 64
    assert rows[0].keys() == rows[4].keys()


def test_csv_keeps_every_digit_and_markdown_is_rounded_and_escaped(tmp_path):
    rows = [{"model": "=cmd|x", "value": 1 / 3, "n": 2, "told": True, "none": None}, dict.fromkeys(("model", "value"))]
    written = runs_exports.write_tables(tmp_path, {"models": rows[:1], "published": []})
    assert [path.name for path in written] == ["models.csv", "models.md", "published.csv", "published.md"]
    table = read_safe_csv(written[0])
    assert (table["model"][0], float(table["value"][0])) == ("=cmd|x", pytest.approx(1 / 3, abs=0))
    assert written[0].read_text(encoding="utf-8").splitlines()[1].startswith("'=cmd")
    assert "| =cmd\\|x | 0.3333 | 2 | yes | – |" in written[1].read_text(encoding="utf-8").replace("\\=", "=")
    assert (written[2].read_text(), written[3].read_text()) == ("section\n", "Nothing to show.\n")
