import io

from rich.console import Console

from fairshrink.terminal import Screen, plain, table


def shown(*things) -> str:
    console = Console(file=io.StringIO(), width=100)
    for thing in things:
        console.print(thing)
    return console.file.getvalue()


def test_markup_and_control_characters_from_users_do_nothing():
    assert shown(plain("[red]a[/red]\x1b[31mb\u202ec")) == "[red]a[/red][31mbc\n"


def test_a_table_shows_hostile_names_as_they_are():
    assert "[bold]x" in shown(table("t", [{"name": "[bold]x", "value": "1"}]))


def test_a_screen_without_a_terminal_prints_lines_only():
    console = Console(file=io.StringIO(), width=100)
    with Screen(console) as screen:
        screen.advance("training, loss 1.0", 1, 10)
        screen.say("[b]done")
    assert console.file.getvalue() == "[b]done\n"


def test_a_bar_is_replaced_when_the_work_is_another():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with Screen(console) as screen:
        for what, done in (("training, loss 1.0", 1), ("training, loss 0.9", 2), ("scoring", 1)):
            screen.advance(what, done, 10)
        assert [task.description for task in screen.progress.tasks] == ["scoring"]
