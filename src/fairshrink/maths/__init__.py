"""Tensors in, tensors out: curvature, codebooks, selection. No files, no logging."""
