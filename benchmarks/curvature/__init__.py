"""The GGN diagonal beside BackPACK's: time a sample, peak memory, error, and which weights look least important.

    python -m benchmarks.curvature [--quick | --full] [--threads N] [--model NAME] [--json FILE]
    python -m benchmarks.curvature --trained RUN [--fold K]    # a trained model of a run folder, on its training images

`--quick`, the default: ResNet-18 at 64 px, under two minutes on two cores. `--full`: also 128 px, and VGG-11 as FairQuantize
builds it at 112 px; the time is in RESULTS.md. A graphics card is used where there is one.

Untrained weights, images of noise; the last layer is scaled until the mean confidence is 0.85, since the error of
sampled columns depends on it. BackPACK cannot take either network as it stands: torch.fx rewrites them for it
(`extend(..., use_converter=True)`: residual sums, in-place ReLUs, flatten), before the clock starts.

- Time: the median of several rounds, all methods in each of them in turn. What is slow has fewer samples; the table says
  how many. BackPACK's exact diagonal of 114 classes is given batches of 2, as FairPrune's authors had to; ours makes its
  batches itself. One batch of BackPACK holds one group, so that it finds the same thing: a mean for each group.
- "x backward": time divided by (samples times columns), against one plain backward pass of one sample, gradients of the
  parameters included, forward pass left out. All that a method does is in its time: forward passes too.
- Error: the sum over all parameters of |found - exact|, over the sum of the exact ones; of both groups pooled, and in
  brackets of the group where it is larger. Exact is ours; how far BackPACK's is from it stands in its row.
- Overlap: of the lowest 5 % of all convolution and linear weights by w^2 h / 2, groups pooled, the share that is chosen by
  the exact diagonal too.
- Memory: what one batch needs above the model and the data, at most: a process of its own for each number, resident
  memory (on a graphics card: what torch holds). A plain pass stands beside it.
"""

from benchmarks.curvature.command import main

__all__ = ["main"]
