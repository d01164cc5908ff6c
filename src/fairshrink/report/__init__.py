"""From a run's records to one page."""
