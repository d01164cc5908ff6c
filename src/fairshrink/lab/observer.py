"""Who is told how far a run has got. The lab itself prints nothing."""

from typing import Protocol


class Observer(Protocol):
    """Progress goes here."""

    def say(self, message: str) -> None:
        """Something that is worth a line: a stage begins, a choice was made."""
        ...

    def advance(self, what: str, done: int, total: int) -> None:
        """`done` of `total` parts of something are finished."""
        ...


class Quiet:
    """Tells nobody."""

    def say(self, message: str) -> None:
        """Drop the message."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Drop the progress."""
