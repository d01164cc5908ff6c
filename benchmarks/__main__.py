"""All benchmarks one after the other: python -m benchmarks."""

from benchmarks import curvature, resampling

for part in (resampling, curvature):
    print(f"\n## {part.__name__.removeprefix('benchmarks.')}\n")
    part.main()
