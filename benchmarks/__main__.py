"""All benchmarks one after the other: python -m benchmarks."""

from benchmarks import curvature, loading, packed, resampling, snnl

for part in (resampling, loading, curvature, packed, snnl):
    print(f"\n## {part.__name__.removeprefix('benchmarks.')}\n")
    part.main()
