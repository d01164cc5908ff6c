"""One training loop, its objectives, and evaluation."""
