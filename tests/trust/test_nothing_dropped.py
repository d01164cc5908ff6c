"""Nothing is left out without being counted and listed with its reason."""

import numpy as np
import pandas as pd

from data.pictures import csv_of, encoded, folder_of, picture
from fairshrink.audit import audit
from fairshrink.data.dataset import open_dataset
from fairshrink.data.sources.table import table
from fairshrink.data.splits import assign_splits, read_split_file, unassigned


def test_every_row_of_a_table_is_kept_or_listed(tmp_path):
    names = [f"i{number:02d}" for number in range(20)]
    root = folder_of(tmp_path / "images", names[:17])
    (root / "i03.png").write_bytes(b"text")
    (root / "i04.png").write_bytes(encoded(picture())[:200])
    folder_of(root, ["more"])
    lines = [f"{name},{'' if name == 'i05' else 'ab'[at % 2]},{'fm?'[at % 3]}" for at, name in enumerate(names)]
    metadata = csv_of(tmp_path / "t.csv", "image,label,sex", *lines)
    metadata.write_text(metadata.read_text().replace("?", "unknown"))
    manifest = table(root, metadata, missing="exclude")
    data = open_dataset(manifest, size=16, groups=["sex"], unknown="exclude", cache=tmp_path / "cache")
    listed = data.excluded
    assert sorted([*data.ids, *listed["id"]]) == sorted([*names, "more.png"])
    assert not listed["id"].duplicated().any()
    assert dict(listed["reason"].str.split(":").str[0].str.split(" of ").str[0].value_counts()).keys() >= {
        "row without image", "row without label", "image without row"
    }  # fmt: skip
    assert (listed["reason"] != "").all()
    assert all(
        listed.loc[listed["id"] == name, "row"].item() == 2 + at
        for at, name in enumerate(names)
        if name in set(listed["id"])
    )


def test_every_row_is_in_one_part_or_listed(tmp_path):
    ids = [f"i{number}" for number in range(30)]
    lines = [f"{name},{('train', 'val', 'test')[at % 3]}" for at, name in enumerate(ids[:24])]
    splits = read_split_file(csv_of(tmp_path / "s.csv", "image,split", *lines), ids)
    assert int((splits >= 0).sum()) + len(unassigned(splits, ids)) == 30
    assert (assign_splits(np.arange(30) % 2, np.arange(30) % 3) >= 0).all()


def test_every_row_of_an_audit_is_counted():
    rng = np.random.default_rng(0)
    label, prediction = rng.integers(0, 3, 400), rng.integers(0, 3, 400)
    group = pd.Series(rng.choice(["f", "m"], 400)).where(rng.random(400) > 0.1)
    clusters = pd.Series(rng.integers(0, 50, 400).astype(float)).where(rng.random(400) > 0.1)
    found = audit(label, prediction, {"sex": group}, clusters=clusters, n_boot=10).to_dict()
    sex = found["attributes"]["sex"]
    assert found["overall"]["n"] == 400
    assert sum(scores["n"] for scores in sex["groups"].values()) + sex["unknown"] == 400
    assert sex["unknown"] == group.isna().sum()
    assert any(str(clusters.isna().sum()) in note for note in found["notes"])
