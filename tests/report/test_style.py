import matplotlib as mpl
import pytest

from fairshrink.report import style


@pytest.mark.parametrize(
    ("text", "shown"),
    [("two\nlines\x1b[31m", "two lines [31m"), ("a" * 40, "a" * 29 + "…"), (3, "3"), ("  a   b ", "a b")],
)
def test_names_of_users_become_one_short_line(text, shown):
    assert style.plain(text) == shown


def test_the_style_holds_inside_only_and_over_the_users_own():
    with mpl.rc_context({"axes.spines.top": True, "lines.linewidth": 17.0}):
        with style.drawing():
            assert mpl.rcParams["lines.linewidth"] == mpl.rcParamsDefault["lines.linewidth"]
            assert not mpl.rcParams["text.parse_math"]
        assert mpl.rcParams["lines.linewidth"] == 17.0


def test_looks_are_told_apart_by_marker_too():
    looks = [style.of_group(index) for index in range(5)]
    assert len({look.marker for look in looks}) == len({look.colour for look in looks}) == 5
    assert len({style.of_group(index) for index in range(35)}) == 35
    looks = [style.of_model(index) for index in range(50)]
    assert len(set(looks[:49])) == 49
    assert looks[49] == looks[0]


def test_a_legend_of_long_names_has_one_column():
    with style.drawing():
        figure = style.canvas(2.0)
        axes = figure.subplots()
        axes.plot([0, 1], label="a name of thirty letters or so")
        axes.plot([1, 0], label="another")
        style.legend(figure, axes)
    assert figure.legends[0]._ncols == 1


def test_names_that_would_look_alike_keep_their_ends():
    one, two, other = style.distinct(
        ["a very long name of a class, first", "a very long name of a class, second", "mel"], 20
    )
    assert (one, two, other) == ("a very lo…ass, first", "a very lo…ss, second", "mel")
    assert max(map(len, (one, two))) == 20
    assert style.distinct(["a" * 40], 10) == ["a" * 9 + "…"]
