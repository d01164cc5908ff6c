"""Predictions for many images, batch by batch, as CSV."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.deploy.images import Decoded, Named, decoded
from fairshrink.deploy.predictor import BATCH, Predictor
from fairshrink.errors import ConfigError
from fairshrink.tables import safe_csv


class Failure(NamedTuple):
    """An image that could not be predicted."""

    name: str
    reason: str


def write_predictions(
    predictor: Predictor,
    images: Sequence[Named],
    write: Callable[[str], object],
    *,
    batch_size: int = BATCH,
    threads: int | None = None,
    observer: Callable[[int, int], object] | None = None,
) -> list[Failure]:
    """Predict images and hand over the rows as CSV: image, prediction, prob_<class> for each class, exit, error.

    Exit is there where one model has several: the layer behind which the image left, or "final".

    Args:
        predictor: The model.
        images: What `find_images` found.
        write: Called with each piece of text, the header first; memory holds two batches, not the whole table.
        batch_size: Images a batch.
        threads: Threads that decode; None: one for each core.
        observer: Told (done, total).

    Returns:
        The images that could not be read; they have a row with a reason and no prediction.

    Raises:
        ConfigError: No positive batch size.
        ModelError: The model's outputs are not finite.
    """
    if batch_size < 1:
        raise ConfigError(f"the batch size is {batch_size}, but at least 1 image a batch is needed.")
    failures: list[Failure] = []
    done = 0
    for batch in decoded(images, predictor.card.size, batch_size, threads):
        write(safe_csv(_rows(predictor, batch), header=done == 0))
        failures += [Failure(batch.names[at], why) for at, why in batch.errors.items()]
        done += len(batch.names)
        if observer is not None:
            observer(done, len(images))
    return failures


def _rows(predictor: Predictor, batch: Decoded) -> pd.DataFrame:
    classes = np.array(predictor.card.classes, dtype=object)
    read = np.array([at not in batch.errors for at in range(len(batch.names))])
    probabilities = np.full((len(read), len(classes)), np.nan, dtype=np.float32)
    answer = predictor.answer(batch.pixels[read])
    probabilities[read] = answer.probabilities
    columns: dict[str, object] = {
        "image": batch.names,
        "prediction": _spread(classes[answer.probabilities.argmax(axis=1)], read),
    }
    columns |= {f"prob_{name}": probabilities[:, k].round(6) for k, name in enumerate(classes)}
    if predictor.exits is not None and answer.exit is not None:
        columns["exit"] = _spread(np.array(predictor.exits.names, dtype=object)[answer.exit], read)
    return pd.DataFrame(columns | {"error": [batch.errors.get(at, "") for at in range(len(read))]})


def _spread(names: NDArray[np.object_], read: NDArray[np.bool_]) -> NDArray[np.object_]:
    """The names of the images that were read in the rows of all, the others empty."""
    found = np.full(len(read), "", dtype=object)
    found[read] = names
    return found
