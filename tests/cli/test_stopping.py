import os
import signal
import threading
import time

import pytest
import typer

from fairshrink.cli.stopping import NOTHING, Terminated, kept, stoppable


@pytest.fixture(autouse=True)
def _heard():
    """As in a terminal: a shell's background jobs are started with SIGINT ignored, and would wait for ever."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def waits(number: int, words: str | None = None):
    """A command that gets a signal while it works."""

    def work() -> None:
        os.kill(os.getpid(), number)
        time.sleep(20)  # not for ever: a signal that nobody hears is a failure, not a wait

    def command() -> None:
        if words is None:
            work()
        else:
            with kept(words):
                work()

    return stoppable(command)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_says_what_is_kept_and_has_its_own_status(number, status, capsys):
    with pytest.raises(typer.Exit) as stopped:
        waits(number, "Epochs are kept in [b]runs/a[/b].")()
    assert stopped.value.exit_code == status
    assert "Stopped. Epochs are kept in [b]runs/a[/b]." in capsys.readouterr().err


def test_a_command_that_keeps_nothing_says_so(capsys):
    with pytest.raises(typer.Exit):
        waits(signal.SIGINT)()
    assert NOTHING in capsys.readouterr().err


def test_the_handlers_are_what_they_were_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert stoppable(lambda: 3)() == 3
    with pytest.raises(typer.Exit):
        waits(signal.SIGTERM)()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert stoppable(lambda: os.kill(os.getpid(), signal.SIGTERM) or "done")() == "done"
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_of_the_main_thread_it_listens_to_nothing():
    found = []
    thread = threading.Thread(target=lambda: found.append(stoppable(lambda: signal.getsignal(signal.SIGTERM))()))
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


def test_a_name_and_the_arguments_of_a_command_stay():
    def audit(predictions: str, *, label: str = "y") -> str:
        """Help."""
        return predictions + label

    assert (stoppable(audit).__name__, stoppable(audit).__doc__) == ("audit", "Help.")
    assert stoppable(audit)("a", label="b") == "ab"


def test_a_stop_is_a_keyboard_interrupt():
    with pytest.raises(KeyboardInterrupt), kept("All is kept."):
        raise Terminated


def test_a_second_stop_ends_the_program_at_once():
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            stoppable(lambda: slow(tell))()
        finally:
            os._exit(1)
    assert os.read(hear, 1) == b"1"
    os.kill(child, signal.SIGINT)
    assert os.read(hear, 1) == b"2"
    os.kill(child, signal.SIGINT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGINT


def slow(tell: int) -> None:
    """Stopped, it takes for ever to tidy up."""
    try:
        os.write(tell, b"1")
        signal.pause()
    finally:
        os.write(tell, b"2")
        signal.pause()
