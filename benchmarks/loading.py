"""The decoded store against decoding every epoch with PIL and a DataLoader: the same images, in one run.

    python -m benchmarks.loading [--images 10015] [--epochs 5] [--data DIR]

HAM10000 (128 x 128 JPEG) at 64 pixels, batches of 128, shuffled, from loose files. Peers: torch's DataLoader with 0, 1 and 2
workers that stay alive between epochs, torchvision's v2 transforms. Epochs of all loaders take turns, so that a busy moment
hits all of them; medians. "CPU" is what all processes use for an image: what training on the same cores is left without.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from fairshrink.data.augment import FILL, LARGEST, MOST_DEGREES
from fairshrink.data.dataset import open_dataset
from fairshrink.data.loader import Loader
from fairshrink.data.normalise import IMAGENET
from fairshrink.data.sources import SOURCES

SIZE, BATCH, WORKERS = 64, 128, (0, 1, 2)
AUGMENT = ("flip", "rotate", "scale", "autoaugment")


class Timing(NamedTuple):
    """Of one loader: images a second in each epoch, and microseconds of processor time for an image."""

    name: str
    speeds: list[float]
    processor: list[float]


class Files(Dataset[tuple[Tensor, int]]):
    """Loose image files, decoded each time they are asked for."""

    def __init__(self, paths: list[Path], labels: list[int], transform: Callable[[Image.Image], Tensor]) -> None:
        self.paths, self.labels, self.transform = paths, labels, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, at: int) -> tuple[Tensor, int]:
        with Image.open(self.paths[at]) as image:
            return self.transform(image.convert("RGB")), self.labels[at]


def transforms(augment: bool) -> Callable[[Image.Image], Tensor]:
    """What the papers do, in the order that costs the peer least: everything after the images are small."""
    bilinear = v2.InterpolationMode.BILINEAR
    moves = [
        v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET, interpolation=bilinear, fill=list(FILL)),
        v2.RandomHorizontalFlip(),
        v2.RandomVerticalFlip(),
        v2.RandomAffine(MOST_DEGREES, scale=(1 / LARGEST, LARGEST), interpolation=bilinear, fill=list(FILL)),
    ]
    last = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*map(list, IMAGENET))]
    return v2.Compose([v2.Resize((SIZE, SIZE)), *(moves if augment else []), *last])


def ours(dataset, epochs: int, augment: bool) -> Iterator[Iterable[object]]:
    """The store, one pass after the other."""
    loader = Loader(
        dataset, np.arange(len(dataset)), batch_size=BATCH, shuffle=True, augment=AUGMENT if augment else ()
    )
    yield from (loader.epoch(number) for number in range(epochs))


def peer(files: Files, epochs: int, workers: int) -> Iterator[Iterable[object]]:
    """A DataLoader, one pass after the other."""
    loader = DataLoader(files, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    yield from (loader for _ in range(epochs))


def measure(passes: dict[str, Iterator[Iterable[object]]], images: int, epochs: int) -> list[Timing]:
    """Every loader in turn; the first pass, which starts workers and warms caches, is not counted."""
    timings = {name: Timing(name, [], []) for name in passes}
    for number in range(epochs + 1):
        for name, epoch in passes.items():
            wall, used = time.perf_counter(), processor_seconds()
            for _ in next(epoch):
                pass
            wall, used = time.perf_counter() - wall, processor_seconds() - used
            if number:
                timings[name].speeds.append(images / wall)
                timings[name].processor.append(1e6 * used / images)
    return list(timings.values())


def processor_seconds() -> float:
    """Of this process and of all the workers that it keeps (waiting ones use none)."""
    children = Path("/proc/self/task").glob("*/children")
    pids = [pid for path in children for pid in path.read_text().split()]
    stats = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
    return time.process_time() + sum(int(s[11]) + int(s[12]) for s in stats) / os.sysconf("SC_CLK_TCK")


def extract(root: Path, folder: Path, count: int) -> tuple[list[Path], pd.DataFrame]:
    """The first images as loose files, and their rows."""
    table = pd.read_csv(root / "HAM10000_metadata.csv", dtype=str, keep_default_na=False).iloc[:count]
    with zipfile.ZipFile(root / "HAM10000_images_128.zip") as archive:
        for name in table["image_id"]:
            (folder / f"{name}.jpg").write_bytes(archive.read(f"{name}.jpg"))
    return [folder / f"{name}.jpg" for name in table["image_id"]], table


def report(title: str, timings: list[Timing]) -> None:
    """A table; the ratio is to the best peer."""
    best = max(statistics.median(timing.speeds) for timing in timings[1:])
    print(
        f"\n| {title} | images/s (median) | lowest to highest | CPU, us an image | x best peer |\n|---|---|---|---|---|"
    )
    for name, speeds, processor in timings:
        middle = statistics.median(speeds)
        spread = f"{min(speeds):,.0f} to {max(speeds):,.0f}"
        print(f"| {name} | {middle:,.0f} | {spread} | {statistics.median(processor):,.0f} | {middle / best:.2f} |")


def compare(root: Path, count: int, epochs: int) -> None:
    """Both tables."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "images")
        folder.mkdir()
        paths, table = extract(root, folder, count)
        table.to_csv(Path(scratch, "table.csv"), index=False)
        began = time.perf_counter()
        manifest = SOURCES["ham10000"](folder, Path(scratch, "table.csv"), missing="exclude")
        dataset = open_dataset(manifest, size=SIZE, groups=["sex"], cache=Path(scratch, "cache"))
        print(f"{len(dataset):,} images of {SIZE} px; decoded into the store once: {time.perf_counter() - began:.1f} s")
        plain = Files(paths, dataset.labels.tolist(), transforms(augment=False))
        apart = (next(iter(Loader(dataset, [0, 1]))).x - torch.stack([plain[0][0], plain[1][0]])).abs().max()
        print(f"largest difference of a normalised value between the two: {float(apart):.1g}")
        for augment in (False, True):
            files = Files(paths, dataset.labels.tolist(), transforms(augment))
            passes = {"fairshrink's store and Loader": ours(dataset, epochs + 1, augment)}
            passes |= {f"PIL and DataLoader, {n} workers": peer(files, epochs + 1, n) for n in WORKERS}
            title = "flip, rotate, scale, AutoAugment" if augment else "no augmentation"
            report(title, measure(passes, len(dataset), epochs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_015)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FAIRSHRINK_DATA", "../shared/data")))
    given = parser.parse_args()
    root = given.data / "ham10000"
    if not root.is_dir():
        print(f"no real data in {given.data}: set FAIRSHRINK_DATA to the folder that holds ham10000/")
        return
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {time.strftime('%Y-%m-%d')}"
    )
    print(f"torch {torch.__version__}")
    compare(root, given.images, given.epochs)


if __name__ == "__main__":
    main()
