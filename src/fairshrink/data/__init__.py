"""From a table and images to batches with groups."""
