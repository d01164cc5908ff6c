import re
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from fairshrink.errors import StoreError
from fairshrink.models.backbones import build
from fairshrink.train import precision
from fairshrink.train.loop import TrainSettings, fit
from fairshrink.train.objectives import Hsic, State
from fairshrink.types import GroupBatch

SETTINGS = TrainSettings(epochs=4, precision="fp32", lr=0.02)
BATCHES = 3


class StoppedError(Exception):
    pass


class Noise:
    def __len__(self):
        return BATCHES

    def epoch(self, number):
        draw = torch.Generator().manual_seed(number)
        for _ in range(BATCHES):
            y = torch.randint(0, 3, (6,), generator=draw)
            yield GroupBatch(torch.randn(6, 3, 32, 32, generator=draw), y, y % 2)


@dataclass(frozen=True)
class WithHeads:
    """An objective with all that one may carry: a head of its own, a head for the model's optimiser, a running mean."""

    weight: float = 0.5

    def begin(self, model, num_groups):
        own, shared = nn.Linear(3, num_groups), nn.Linear(3, num_groups)
        return State(
            modules={"own": own, "shared": shared},
            optimizers={"own": torch.optim.Adam(own.parameters(), lr=0.01)},
            tensors={"mean": torch.zeros(())},
        )

    def step(self, model, batch, state):
        logits = functional.dropout(model(batch.x), 0.3)
        own = functional.cross_entropy(state.modules["own"](logits.detach()), batch.g)
        state.optimizers["own"].zero_grad()
        own.backward()
        state.optimizers["own"].step()
        state.tensors["mean"] = 0.9 * state.tensors["mean"] + 0.1 * own.detach()
        shared = functional.cross_entropy(state.modules["shared"](logits), batch.g)
        confusion = -state.modules["own"](logits).log_softmax(1).mean()
        loss = functional.cross_entropy(logits, batch.y) + self.weight * (shared + confusion)
        return loss * (1 + state.tensors["mean"]) * (1 + 0.1 * state.epoch)


def model():
    return build("small_cnn", num_classes=3, size=32, seed=1)


def same(first, second):
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def told(history):
    """All but the time that it took."""
    return [(epoch.epoch, epoch.loss, epoch.lr, epoch.val) for epoch in history]


def with_interruptions(path, stops, renew=True, **how):
    """Train, stopped after each of some numbers of batches (counted from the start of that attempt), then to the end."""
    trained = model()
    for stop in stops:
        done = []

        def observer(*what, stop=stop, done=done):
            done.append(what)
            if len(done) == stop:
                raise StoppedError

        with pytest.raises(StoppedError):
            fit(trained, Noise(), num_groups=2, state_file=path, observer=observer, **how)
        torch.manual_seed(sum(stops))  # Whatever else the program has drawn by then.
        trained = model() if renew else trained
    return trained, fit(trained, Noise(), num_groups=2, state_file=path, **how)


CASES = {
    "sgd": {"settings": SETTINGS},
    "adam": {"settings": replace(SETTINGS, optimizer="adam", lr=1e-3, schedule="cosine")},
    "step": {"settings": replace(SETTINGS, schedule="step")},
    "bf16": {"settings": replace(SETTINGS, precision="bf16")},
    "heads": {"settings": SETTINGS, "objective": WithHeads()},
    "validated": {"settings": SETTINGS, "validate": lambda model: {"norm": model.classifier.weight.norm().item()}},
}


@pytest.mark.parametrize("renew", [True, False], ids=["new model", "same model"])
@pytest.mark.parametrize("case", CASES)
def test_interrupted_or_not_the_bits_are_the_same(tmp_path, monkeypatch, case, renew):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: True)
    straight = model()
    history = fit(straight, Noise(), num_groups=2, **CASES[case])
    # In the first epoch; in the middle of the second; after the last batch of the third, before it was written down.
    stops = [2, BATCHES + 1, 2 * BATCHES]
    resumed, again = with_interruptions(tmp_path / "state", stops, renew, **CASES[case])
    assert same(straight, resumed)
    assert told(history) == told(again)


def test_interrupted_after_every_epoch(tmp_path):
    straight = model()
    history = fit(straight, Noise(), SETTINGS, num_groups=2, objective=WithHeads())
    stops = [BATCHES + 1] * (SETTINGS.epochs - 1)
    resumed, again = with_interruptions(tmp_path / "state", stops, settings=SETTINGS, objective=WithHeads())
    assert same(straight, resumed)
    assert told(history) == told(again)


def test_a_finished_training_is_not_done_again(tmp_path):
    first, second = model(), build("small_cnn", num_classes=3, size=32, seed=2)
    history = fit(first, Noise(), SETTINGS, num_groups=2, state_file=tmp_path / "state")
    observed = []
    again = fit(
        second, Noise(), SETTINGS, num_groups=2, state_file=tmp_path / "state", observer=lambda *w: observed.append(w)
    )
    assert again == history
    assert observed == []
    assert same(first, second)
    assert not second.training
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": replace(SETTINGS, lr=0.1)}, "other settings: lr 0.02 (now 0.1)."),
        ({"settings": replace(SETTINGS, epochs=5, seed=3)}, "epochs 4 (now 5), seed 0 (now 3)."),
        ({"num_groups": 3}, "num_groups 2 (now 3)."),
        ({"loader": list(Noise().epoch(0))[:2]}, "batches per epoch 3 (now 2)."),
        ({"objective": WithHeads(0.1)}, "objective Erm (now WithHeads {'weight': 0.1})."),
        ({"objective": Hsic()}, "objective Erm (now Hsic {'exit_weights': (1.0,), 'strength': 0.01})."),
        ({"model": build("small_cnn", num_classes=4, size=32)}, "is the state of another model: "),
    ],
)
def test_the_state_of_another_training_is_refused(tmp_path, change, message):
    how = {"model": model(), "loader": Noise(), "settings": SETTINGS, "num_groups": 2, "state_file": tmp_path / "state"}
    fit(**how)
    with pytest.raises(StoreError, match=re.escape(message)):
        fit(**how | change)


def test_damaged_files_and_other_files_are_refused(tmp_path):
    path = tmp_path / "state"
    fit(model(), Noise(), SETTINGS, num_groups=2, state_file=path)
    content = path.read_bytes()
    for kept in (0, 10, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:kept])
        with pytest.raises(StoreError, match=r"cannot be read as the state of a training: \w+\.\n.*remove it to train"):
            fit(model(), Noise(), SETTINGS, num_groups=2, state_file=path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(StoreError, match="is not the state of a training: remove it, or give another state_file"):
        fit(model(), Noise(), SETTINGS, num_groups=2, state_file=path)


def test_a_folder_that_cannot_be_written_is_said_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="could not be written"):
        fit(model(), Noise(), SETTINGS, num_groups=2, state_file=tmp_path / "file" / "state")


def test_a_state_that_cannot_be_read_at_all(tmp_path):
    (tmp_path / "state").mkdir()
    with pytest.raises(StoreError, match="state' cannot be read as the state of a training: Is a directory"):
        fit(model(), Noise(), SETTINGS, num_groups=2, state_file=tmp_path / "state")
