"""What a training began with, as digests; how a checkpoint is taken is in test_training."""

import hashlib
import shutil

from fairshrink.files import read_json, write_json
from fairshrink.lab.origins import file_digests, other_file
from tiny import tiny


def test_nothing_is_begun_with_unless_it_is_named(tmp_path):
    assert file_digests(tiny(), tmp_path) == {}


def test_a_file_is_known_by_its_content(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"weights")
    found = file_digests(tiny(model={"weights": "w.pt"}), tmp_path)
    assert found == {"weights": hashlib.sha256(b"weights").hexdigest()}
    # A checkpoint is taken in place of everything else.
    both = file_digests(tiny(model={"weights": "w.pt", "checkpoint": "w.pt"}), tmp_path)
    assert both == {"checkpoint": found["weights"]}


def test_a_teacher_is_known_by_its_trained_models(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "teacher")
    experiment = tiny(train={"objective": "mfd", "teacher": "teacher"})
    before = file_digests(experiment, tmp_path)
    assert list(before) == ["teacher"]
    for stage, changes in (("01-obd", False), ("00-train", True)):
        card = tmp_path / "teacher" / "stages" / stage / "model.json"
        write_json(card, read_json(card) | {"weights_sha256": "1" * 64})
        assert (file_digests(experiment, tmp_path) != before) is changes


def test_which_file_is_another_one():
    now = {"checkpoint": "a", "teacher": "b"}
    assert other_file(now, now | {"fold": 0}) is None
    assert other_file(now, now | {"teacher": "c"}) == "teacher"
    assert other_file(now, {"teacher": "b"}) == "checkpoint"
    assert other_file({"weights": "a"}, {}) is None  # records from before weights were written down
