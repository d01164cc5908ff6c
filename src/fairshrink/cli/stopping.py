"""Ctrl-C, and SIGTERM as batch systems send it: what is kept is said; a second one ends the program at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console

from fairshrink.terminal import plain

P = ParamSpec("P")
R = TypeVar("R")
NOTHING = "Nothing was left half-written; the same command starts anew."


class Terminated(KeyboardInterrupt):
    """SIGTERM, which stops as Ctrl-C does but has an exit status of its own."""


@contextmanager
def kept(words: str) -> Iterator[None]:
    """What to say when the work inside is stopped: what is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(words)
        raise


def stoppable(command: Callable[P, R]) -> Callable[P, R]:
    """A command that says what is kept when it is stopped: exit status 130 for Ctrl-C, 143 for SIGTERM."""

    @wraps(command)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            with _listening():
                return command(*arguments, **options)
        except KeyboardInterrupt as stop:
            words = " ".join(getattr(stop, "__notes__", [NOTHING]))
            Console(stderr=True).print(plain(f"\nStopped. {words}"), soft_wrap=True)
            raise typer.Exit(143 if isinstance(stop, Terminated) else 130) from stop

    return call


@contextmanager
def _listening() -> Iterator[None]:
    """Both signals stop the work by an exception; only the main thread can listen, and what is ignored stays so."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in numbers} if main else {}
    heard = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    try:
        for number in heard:
            signal.signal(number, _stop)
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> Any:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)  # The next one does not wait for anything.
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
