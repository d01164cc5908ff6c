import pytest

from fairshrink.errors import DataError, ModelError
from fairshrink.lab.plan import plan
from tiny import tiny


class Listens:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def advance(self, what: str, done: int, total: int) -> None:
        pass


def test_every_stage_and_its_cost_is_said(tmp_path):
    observer = Listens()
    plan(tiny(), tmp_path / "run", tmp_path, observer)
    text = "\n".join(observer.lines)
    assert "150 images of 5 classes at 32 px, 0 rows left out" in text
    assert "00-train: small_cnn, 2 epochs of 90 images: 180 forward and backward" in text
    assert (
        "02-fairprune: fairprune on train, 2 setting(s) chosen by fate:eopp1: 4 scorings of 6 samples of each group"
        in text
    )
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_takes_the_place_of_training(tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"mine.safetensors"):
        plan(tiny(model={"checkpoint": "mine.safetensors"}), tmp_path / "run", tmp_path, Listens())


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"groups": ["tonne"]}}, "no column 'tonne'.*Did you mean 'tone'"),
        ({"data": {"split_by": "lesion"}}, "no column 'lesion'"),
        ({"data": {"split_file": "s.csv"}}, "'s.csv' is not there"),
        ({"model": {"checkpoint": "m.safetensors"}}, "'m.safetensors' is not there"),
        ({"model": {"weights": "w.pth"}}, "'w.pth' is not there"),
    ],
)
def test_what_a_run_would_trip_over_is_found(tmp_path, sections, message):
    with pytest.raises(DataError, match=message):
        plan(tiny(**sections), tmp_path / "run", tmp_path, Listens())
