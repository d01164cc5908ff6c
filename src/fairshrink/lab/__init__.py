"""Experiments: configuration, run folders, stages that can be started again."""
