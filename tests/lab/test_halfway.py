import numpy as np
import pytest
import torch

from fairshrink.compress.frozen import Frozen
from fairshrink.compress.keeping import Best, Halfway
from fairshrink.compress.methods import fairquantize
from fairshrink.compress.recipe import compress
from fairshrink.errors import StoreError
from fairshrink.lab.halfway import FileKeeper
from fairshrink.lab.observer import Quiet
from fairshrink.lab.store import FoldPaths
from toys import same, toy_model, toy_splits


class Hears(Quiet):
    def __init__(self):
        self.told = []

    def advance(self, what: str, done: int, total: int) -> None:
        self.told.append((what, done, total))


def keeper(folder, observer=None) -> FileKeeper:
    return FileKeeper(FoldPaths(folder), ("a", "b"), observer or Quiet(), "fairquantize, fold 0", steps=3, epochs=2)


def test_what_is_kept_comes_back_bit_for_bit(tmp_path):
    done = compress(toy_model(), toy_splits(), fairquantize(0.5, 0.5, 0.25, lr=0.05))
    memory = {"state": {0: {"momentum_buffer": torch.arange(3.0)}}, "param_groups": [{"lr": 0.1}]}
    keeper(tmp_path).save(Halfway(done.model.state_dict(), done.frozen, done.steps, memory))
    back = keeper(tmp_path).load()
    assert back is not None
    assert all(torch.equal(back.weights[name], value) for name, value in done.model.state_dict().items())
    for name, mask in done.frozen.mask.items():
        assert torch.equal(back.frozen.mask[name], mask)
        assert torch.equal(back.frozen.value[name], done.frozen.value[name])
    for read, step in zip(back.steps, done.steps, strict=True):
        assert np.array_equal(read.counts.counts, step.counts.counts)
        assert read.gaps == step.gaps
        assert (read.ratio, read.fixed, read.total) == (step.ratio, step.fixed, step.total)
    assert back.memory is not None
    assert torch.equal(back.memory["state"][0]["momentum_buffer"], torch.arange(3.0))
    assert back.best is None


def test_the_best_step_so_far_is_kept_beside_the_last_one(tmp_path):
    mask, value = {"w": torch.tensor([True, False])}, {"w": torch.tensor([0.0, 1.5])}
    best = Best(1, {"w": torch.tensor([0.0, 2.5])}, Frozen(mask, value))
    keeper(tmp_path).save(Halfway({"w": torch.ones(2)}, Frozen(), (), None, best))
    back = keeper(tmp_path).load()
    assert back is not None
    assert back.best is not None
    assert back.best.step == 1
    assert torch.equal(back.best.weights["w"], best.weights["w"])
    assert torch.equal(back.best.frozen.mask["w"], mask["w"])
    assert torch.equal(back.best.frozen.value["w"], value["w"])
    assert torch.equal(back.weights["w"], torch.ones(2))


def test_nothing_was_kept(tmp_path):
    assert keeper(tmp_path).load() is None


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_file_is_named(tmp_path, content):
    keeper(tmp_path).save(Halfway({"w": torch.ones(9)}, Frozen(), (), None))
    path = tmp_path / "halfway.state"
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(StoreError, match=r"(?s)halfway\.state' cannot be read as a way that was begun.*remove it"):
        keeper(tmp_path).load()


def test_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("fairshrink.lab.halfway.FORMAT", 0)
    keeper(tmp_path).save(Halfway({}, Frozen(), (), None))
    monkeypatch.undo()
    with pytest.raises(StoreError, match="begun anew"):
        keeper(tmp_path).load()


def test_how_far_it_is_of_all_steps(tmp_path):
    observer = Hears()
    one = keeper(tmp_path, observer)
    one.batch(0, 0, 1, 10, 0.5)
    one.batch(1, 1, 10, 10, 0.25)
    one.batch(2, 1, 10, 10, 0.125)
    assert [(done, total) for _, done, total in observer.told] == [(1, 60), (40, 60), (60, 60)]
    assert observer.told[1][0] == "fairquantize, fold 0: step 2, loss 0.250"


def test_a_path_in_files_is_gone_on_with_from_the_last_epoch(tmp_path):
    class Stops(Hears):
        def advance(self, what: str, done: int, total: int) -> None:
            if done == 14:  # in the second epoch of the second step
                raise KeyboardInterrupt

    recipe = fairquantize(0.75, 0.5, 0.25, lr=0.05, epochs=2)
    whole = compress(toy_model(), toy_splits(), recipe)
    with pytest.raises(KeyboardInterrupt):
        compress(toy_model(), toy_splits(), recipe, keeper=keeper(tmp_path, Stops()))
    assert (tmp_path / "training.state").exists()
    assert (tmp_path / "halfway.state").exists()
    observer = Hears()
    again = compress(toy_model(), toy_splits(), recipe, keeper=keeper(tmp_path, observer))
    assert same(whole, again)
    assert observer.told[0][1] == 13  # the second epoch's first batch
