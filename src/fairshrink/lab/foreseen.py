"""What a sweep's runs would trip over, found before anything starts: once for what they have in common."""

from collections.abc import Sequence
from pathlib import Path

from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.lab.data import open_source
from fairshrink.lab.foresee import check_steps
from fairshrink.lab.plan import check_columns, check_models
from fairshrink.lab.variants import Variant


def check_runs(runs: Sequence[Variant], beside: Path) -> None:
    """Tables can be read, groups told apart, checkpoints loaded; every step fits its model.

    Raises:
        ConfigError, DataError, ModelError: Something cannot be used; the message names the first run that it is about.
    """
    tables = {}
    checked = set()
    for run in runs:
        experiment = run.experiment
        try:
            key = experiment.data.model_dump_json()
            if key not in tables:
                manifest = open_source(experiment.data, beside)
                tables[key] = manifest, check_columns(experiment, manifest).groups
            manifest, groups = tables[key]
            # Neither the seed nor how long it trains decides whether a step fits.
            train = experiment.train.model_dump(include={"objective", "exit_weights", "teacher"})
            same = experiment.model_copy(update={"train": type(experiment.train)(**train)}).digest()
            if same not in checked:
                checked.add(same)
                check_models(experiment, manifest, beside)
                check_steps(experiment, len(manifest.classes), groups)
        except (ConfigError, DataError, ModelError) as error:
            raise type(error)(f"run {run.name}: {error}") from error
