"""How the data were split, in words: by a rule of this run, or as a file says that somebody else made."""

from pathlib import PurePath

from fairshrink.report.records import Run
from fairshrink.report.words import count


def split_file(run: Run) -> str:
    """The name of the file that says which image is in which part; empty where a rule does."""
    section = run.settings.get("data", {})
    named = section.get("split_file") if isinstance(section, dict) else None
    return PurePath(str(named)).name if named else ""


def as_file_says(run: Run) -> str:
    """How a file split the data, and what it tore apart; empty without one."""
    if not (name := split_file(run)):
        return ""
    return f"as the split file {name} says" + (f"; {torn}" if (torn := across(run)) else "")


def across(run: Run) -> str:
    """How many clusters (lesions, patients) lie in more than one part; empty where that is not known.

    >>> from types import SimpleNamespace as Some
    >>> across(Some(data=Some(clusters_across=3220)))
    '3,220 of the clusters lie in several parts: test results are optimistic'
    """
    torn = run.data.clusters_across
    if torn is None:
        return ""
    if torn == 0:
        return "no cluster lies in several parts"
    return (
        f"{count(torn)} of the clusters {'lies' if torn == 1 else 'lie'} in several parts: test results are optimistic"
    )


def limit(run: Run) -> str:
    """What a split by somebody else does to the numbers; empty where it does nothing that is known of."""
    if run.data.clusters_across:
        return f"{across(run)} (a model may have seen other images of the lesion or patient that it is tested on)."
    if split_file(run) and run.data.clusters_across is None:
        return (
            f"The split is that of {split_file(run)}: whether images of one lesion or patient lie in several parts was not "
            "counted. Where they do, test results are optimistic."
        )
    return ""
