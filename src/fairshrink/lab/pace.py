"""How fast this machine does a run's work: a second or so of each kind, on random images."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from fairshrink.compress.units import compressible
from fairshrink.data.dataset import Dataset
from fairshrink.data.groups import Attribute
from fairshrink.data.loader import Loader
from fairshrink.data.table import Manifest, nothing_excluded
from fairshrink.errors import DataError
from fairshrink.lab.config import Experiment
from fairshrink.lab.estimate import Pace, Sizes, curving, trains
from fairshrink.lab.networks import exits_of, network, task_of
from fairshrink.lab.work import EVALUATION_BATCH
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.maths.select import lowest
from fairshrink.train.evaluate import predict
from fairshrink.train.loop import fit
from fairshrink.train.objectives import make
from fairshrink.train.precision import usable

ENOUGH, SLOW = 0.5, 2.0  # seconds: a measurement, and a first one, that takes so long is the last of its kind
FIRST, DECODED = 4, 16  # images
LONG = 20.0  # seconds: after that nothing more is measured, and the rest is worked out from what was
COLUMNS = 3  # scored in place of all, where there are many more
PICK = 1e-7  # seconds to rank a weight, roughly


def measure(experiment: Experiment, manifest: Manifest, sizes: Sizes) -> Pace:
    """Time each kind of work with the experiment's network, batches, augmentation and threads; nothing is written.

    Random pixels are as good as real ones: the time of a layer does not depend on them. A slow machine is measured for some
    20 seconds; what was not reached by then is worked out from what was.
    """
    settings, size = experiment.train, experiment.data.size
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = network(experiment, sizes.classes).to(device)
    task = task_of(exits_of(experiment, model))
    curved = curving(experiment)
    scoring = max((step.batch for step in curved), default=experiment.shrink_defaults.batch)
    toy = random_images(size, sizes, max(settings.batch_size, scoring, EVALUATION_BATCH))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run says what precision the machine has
        once = replace(settings.loop(usable(settings.precision, device)), epochs=1)

    def batches(count: int, size: int) -> Loader:
        return Loader(toy, range(count), batch_size=size)

    def train(count: int) -> None:
        loader = Loader(toy, range(count), batch_size=settings.batch_size, shuffle=True, augment=settings.augment)
        objective = make("erm", task=task)
        fit(model, loader, once, num_groups=sizes.groups, objective=objective)

    # Exact scoring takes a backward pass for each of C - 1 columns: with 114 classes, minutes for a few images.
    passes, columns = max(sizes.classes - 1, 1), COLUMNS if sizes.classes > 3 * COLUMNS else None
    scale = 1.0 if columns is None else passes / (columns + 1)  # as the estimate reckons with sampled columns

    def score(count: int) -> None:
        names = list(compressible(model))
        ggn_diagonal(model, batches(count, scoring), num_groups=sizes.groups, task=task, params=names, columns=columns)

    def forward(count: int) -> None:
        predict(model, batches(count, EVALUATION_BATCH), task=task)

    few, began = max(FIRST, sizes.groups), time.perf_counter()

    def late() -> bool:
        return time.perf_counter() - began > LONG

    with _threads(settings.threads):
        decoded = _decoding(manifest, size)
        trained = _pace(train, FIRST, settings.batch_size) if trains(experiment) else 0.0
        # A backward pass is about as long as two forward ones.
        seen = trained / 3 if trained and late() else _pace(forward, FIRST, EVALUATION_BATCH)
        if not experiment.shrink:
            return Pace(decoded, trained, seen, 0.0, 0.0)
        scored = 0.0
        if curved:
            scored = seen * 2 * passes if late() else scale * _pace(score, few, max(few, scoring))
        weights = sum(weight.numel() for weight in compressible(model).values())
        return Pace(decoded, trained, seen, scored, PICK * weights if late() else _picking(model))


def random_images(size: int, sizes: Sizes, count: int) -> Dataset:
    """Random images in memory, every class and group in turn."""
    rng, rows = np.random.default_rng(0), np.arange(count)
    groups = Attribute("group", tuple(map(str, range(sizes.groups))), rows % sizes.groups)
    return Dataset(
        name="random images",
        ids=rows.astype(np.str_),
        images=rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8),
        labels=rows % sizes.classes,
        classes=tuple(map(str, range(sizes.classes))),
        attributes={groups.name: groups},
        clusters=None,
        excluded=nothing_excluded(),
        digest="",
    )


def _pace(work: Callable[[int], object], first: int, most: int) -> float:
    """Seconds an image: four times as many again and again, until it takes long enough or there is a whole batch."""
    count = min(first, most)
    took = _seconds(work, count)
    if took > SLOW:
        return took / count
    while True:  # What a first call does once is not counted.
        took = _seconds(work, count)
        if count == most or took > ENOUGH:
            return took / count
        count = min(4 * count, most)


def _seconds(work: Callable[[int], object], count: int) -> float:
    began = time.perf_counter()
    work(count)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _picking(model: torch.nn.Module) -> float:
    scores = {name: torch.rand(weight.shape, dtype=torch.float64) for name, weight in compressible(model).items()}
    return _seconds(lambda share: lowest(scores, sum(score.numel() for score in scores.values()) // share), 3)


def _decoding(manifest: Manifest, size: int) -> float | None:
    rows = np.unique(np.linspace(0, len(manifest.frame) - 1, DECODED).astype(np.int64))
    try:
        manifest.images.read(rows[:1], size)
        began = time.perf_counter()
        manifest.images.read(rows, size)
    except DataError:
        return None  # the run says which images, and what to do
    return (time.perf_counter() - began) / len(rows) / torch.get_num_threads()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
