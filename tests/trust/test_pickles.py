"""Nothing that comes in a file is executed."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch

from data.pictures import manifest_of, zip_of
from fairshrink.data.archive import FileImages, open_archive
from fairshrink.data.store import open_store, store_folder
from fairshrink.data.table import read_csv
from fairshrink.errors import DataError, FairshrinkError, ModelError, StoreError
from fairshrink.lab.config import load_experiment
from fairshrink.lab.masks import load_frozen
from fairshrink.models.checkpoint import read_weights
from fairshrink.train.loop import TrainSettings, fit
from toys import toy_batches, toy_model


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def trap(tmp_path):
    """The file that an executed pickle would make; it must not be there at the end."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists()


def test_the_trap_works(tmp_path):
    pickle.loads(pickle.dumps(Evil(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


def plain(evil):
    return pickle.dumps({"weight": evil})


def in_torchs_zip(evil):
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(2), "more": evil}, buffer)
    return buffer.getvalue()


def in_torchs_old_format(evil):
    buffer = io.BytesIO()
    torch.save({"more": evil}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def beside_an_archive_of_torch(evil):
    buffer = io.BytesIO(in_torchs_zip(torch.zeros(1)))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/extra.pkl", plain(evil))
        archive.writestr("data.pkl", plain(evil))
    return buffer.getvalue()


FORMS = [plain, in_torchs_zip, in_torchs_old_format]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["pt", "pth", "bin", "safetensors", ""])
def test_weights(tmp_path, trap, form, ending):
    path = tmp_path / f"weights.{ending}"
    path.write_bytes(form(Evil(trap)))
    with pytest.raises(ModelError, match="can run any code when it is opened|damaged or not a safetensors file"):
        read_weights(path)


def test_a_second_pickle_in_an_archive_of_torch(tmp_path, trap):
    path = tmp_path / "weights.pt"
    path.write_bytes(beside_an_archive_of_torch(Evil(trap)))
    with pytest.raises(ModelError, match="more than tensors|nothing else"):
        read_weights(path)


@pytest.mark.parametrize("form", FORMS)
def test_the_state_of_a_training(tmp_path, trap, form):
    path = tmp_path / "training.state"
    path.write_bytes(form(Evil(trap)))
    with pytest.raises(StoreError, match="cannot be read as the state of a training|is not the state"):
        fit(toy_model(), toy_batches(unknown=0), TrainSettings(epochs=1), num_groups=2, state_file=path)


@pytest.mark.parametrize("form", FORMS)
def test_masks(tmp_path, trap, form):
    (tmp_path / "frozen.safetensors").write_bytes(form(Evil(trap)))
    with pytest.raises(StoreError, match="could not be read"):
        load_frozen(tmp_path / "frozen.safetensors", torch.nn.Linear(2, 2))


def test_decoded_images(tmp_path, trap):
    """A store whose array was exchanged for a pickled one is made again, not opened."""
    manifest = manifest_of()
    before = open_store(manifest, 16, tmp_path)
    path = store_folder(manifest, 16, tmp_path) / "images.npy"
    evil = np.empty(2, dtype=object)
    evil[:] = [Evil(trap), Evil(trap)]
    path.unlink()
    np.save(path, evil, allow_pickle=True)
    after = open_store(manifest, 16, tmp_path)
    assert np.array_equal(before.images, after.images)


@pytest.mark.parametrize("form", FORMS)
def test_images(tmp_path, trap, form):
    packed = zip_of(tmp_path / "a.zip", {"a.png": form(Evil(trap))})
    archive = open_archive(packed)
    with pytest.raises(DataError, match="'a.png': not a JPEG or PNG image"):
        FileImages(archive, ("a.png",)).read(np.array([0]), 16)


def test_tables_and_experiments(tmp_path, trap):
    (tmp_path / "a").write_bytes(plain(Evil(trap)))
    for read in (lambda path: read_csv(path, []), load_experiment):
        with pytest.raises(FairshrinkError):
            read(tmp_path / "a")
