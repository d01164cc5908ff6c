import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from fairshrink.report import grids, maps, style
from fairshrink.report.grids import Cell, Grid


@pytest.fixture(autouse=True)
def _drawing():
    with style.drawing():
        yield


def made(xs, ys, chosen=None, excluded=0):
    cells = {
        (x, y): Cell({0: 0.1 * x + 0.01 * y, 1: 0.1 * x}, {0: -x, 1: -x}, int((x, y) == chosen), excluded)
        for x in xs
        for y in ys
    }
    return Grid("ratio", "beta", list(xs), list(ys), {}, cells)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_cell_shows_the_mean_of_its_folds(mapped):
    (grid,) = grids.grids(mapped.stages[2])
    value, change = maps.shades([grid], "soft EOpp1")
    shown = [text.split("\n")[0] for text in texts(maps.heat(grid, value))]
    assert shown == [f"{cell.value:.3f}" for cell in grid.cells.values()]
    assert (value.title, change.title) == ("soft EOpp1", "change of macro F1")
    assert change.scale.vmin == -change.scale.vmax


def test_the_chosen_cell_is_framed_and_counted():
    grid = made((0.1, 0.2), (0, 1), chosen=(0.2, 1))
    axes = maps.heat(grid, maps.shades([grid], "gap")[0]).axes[0]
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_linewidth() == 1.8]
    assert [(f.get_x() + f.get_width() / 2, f.get_y() + f.get_height() / 2) for f in frames] == [(1, 1)]
    assert [text for text in texts(axes.figure) if "●" in text] == ["0.025\n● 1"]


@pytest.mark.parametrize(("excluded", "strokes"), [(0, 0), (1, 4), (2, 8)])
def test_excluded_cells_are_struck_through_once_or_both_ways(excluded, strokes):
    grid = made((0.1,), (0, 1), excluded=excluded)
    axes = maps.heat(grid, maps.shades([grid], "gap")[0]).axes[0]
    assert len(axes.lines) == 2 * strokes
    for line in axes.lines:
        across, up = line.get_xdata(), line.get_ydata()
        assert np.ptp(across) == pytest.approx(np.ptp(up))
        assert (abs(np.round(across) - across) <= 0.4701).all()
        assert (abs(np.round(up) - up) <= 0.4701).all()


def test_an_undefined_cell_has_no_colour():
    grid = made((0.1, 0.2), (0,))
    cells = grid.cells | {(0.1, 0): Cell({0: None}, {0: None}, 0, 0)}
    assert texts(maps.heat(grid._replace(cells=cells), maps.shades([grid], "gap")[0])) == ["–", "0.020"]


def test_many_columns_lose_the_0_and_then_the_numbers():
    for columns, shown in ((9, ".010"), (12, "")):
        grid = made([0.1 * (i + 1) for i in range(columns)], (0,))
        assert texts(maps.heat(grid, maps.shades([grid], "gap")[0]))[0] == shown


def test_labels_of_many_values_are_thinned():
    assert maps.ticks([0.05, 0.1]) == ["0.05", "0.1"]
    assert [bool(text) for text in maps.ticks([0.1] * 12)] == [True, False] * 6


def test_a_grid_without_values_has_nothing_to_show_and_equal_ones_a_scale():
    bare = made((0.1,), (0,))._replace(cells={(0.1, 0): Cell({0: None}, {0: None}, 0, 0)})
    assert maps.shades([bare], "gap") == []
    scale = maps.shades([made((0.1,), (0,))], "gap")[0].scale
    assert scale.vmax > scale.vmin


@pytest.mark.parametrize("name", [maps.ONE_WAY, maps.TWO_WAYS])
def test_the_scales_are_even_in_lightness(name):
    light = np.array([maps.lightness(to_hex(mpl.colormaps[name](at))) for at in np.linspace(0, 1, 21)])
    for half in (light,) if name == maps.ONE_WAY else (light[:11], light[:9:-1]):
        steps = np.diff(half)
        assert (steps > 0).all()
        assert steps.max() < 3 * steps.mean()


def test_letters_stand_out_from_every_cell():
    assert [maps.lightness(colour) for colour in ("#000000", "#ffffff")] == pytest.approx([0, 100], abs=1e-3)
    for name in (maps.ONE_WAY, maps.TWO_WAYS):
        for at in np.linspace(0, 1, 21):
            colour = to_hex(mpl.colormaps[name](at))
            assert abs(maps.lightness(maps.ink_on(colour)) - maps.lightness(colour)) > 40


def test_one_setting_is_a_line_with_its_folds_and_the_bound():
    grid = made((0.1, 0.2, 0.5), (0,), chosen=(0.2, 0))._replace(y=None)
    grid = grid._replace(cells={(x, 0.0): cell for (x, _), cell in grid.cells.items()})
    value, change = maps.shades([grid], "gap")
    axes = maps.strip(grid, value, 0.01).axes[0]
    folds, mean, ring = axes.lines[:2], axes.lines[2], axes.lines[3]
    assert len(folds) == 2
    np.testing.assert_allclose(mean.get_ydata(), [0.01, 0.02, 0.05])
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == pytest.approx((0.2, 0.02))
    assert [text.get_text() for text in axes.texts] == ["● 1"]
    assert "the rule's bound" in [text.get_text() for text in maps.strip(grid, change, 0.01).axes[0].texts]
