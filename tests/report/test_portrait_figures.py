import dataclasses

import numpy as np
import pytest

from fairshrink.report import portrait_figures, style
from fairshrink.report.portrayed import Joint


@pytest.fixture(autouse=True)
def _drawing():
    with style.drawing():
        yield


@pytest.fixture(scope="module")
def portrait(quantised):
    return quantised.stages[3].portrait


def test_every_group_has_a_histogram_of_all_and_of_the_fixed(portrait):
    figure = portrait_figures.importance(portrait)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["female (unprivileged)", "male"]
    for group, axes in enumerate(figure.axes):
        drawn = [stairs.get_data().values for stairs in axes.patches]
        np.testing.assert_allclose(drawn[0], np.array(portrait.importance.all[group]) * 100 / portrait.score.weights)
        np.testing.assert_allclose(drawn[1], np.array(portrait.importance.fixed[group]) * 100 / portrait.score.weights)


def test_the_map_has_the_unprivileged_group_along(portrait):
    axes = portrait_figures.joint(portrait).axes[0]
    shown = axes.images[0].get_array()
    u, others = np.argwhere(np.array(portrait.joint.all) > 50)[0]
    assert shown[others, u] == portrait.joint.fixed[u][others] / portrait.joint.all[u][others]
    assert axes.get_xlabel().startswith("importance for female (unprivileged)")
    zero = next(line for line in axes.lines if "score 0" in line.get_label())
    x, y = zero.get_xdata(), zero.get_ydata()
    np.testing.assert_allclose(10 ** np.array(x), portrait.score.beta * 10 ** np.array(y))  # h_u = beta * h_p


def test_cells_with_next_to_no_weights_have_no_share():
    found = portrait_figures.fixed_share(Joint(-3.0, 1.0, [[2, 8], [0, 4]], [[2, 2], [0, 4]]))
    np.testing.assert_array_equal(found, [[np.nan, 0.25], [np.nan, 1.0]])


def test_lines_hold_their_share_of_the_weights():
    counts = np.array([[50.0, 30.0], [15.0, 5.0]])
    assert portrait_figures.holding(counts, (0.95, 0.5)) == [15.0]  # the cell of 50 alone is half: no line within it
    assert portrait_figures.holding(counts, (0.7,)) == [30.0]
    assert portrait_figures.holding(np.zeros((2, 2)), (0.5,)) == []


def test_layers_are_drawn_before_and_after(portrait):
    axes = portrait_figures.layers(portrait.layers[:3]).axes
    assert [one.get_title(loc="left") for one in axes[:3]] == ["layer0.conv1", "layer1.conv1", "layer2.conv1"]
    assert not axes[3].get_visible()
    before, _, after = axes[0].patches
    for drawn, counts in ((before, portrait.layers[0].before), (after, portrait.layers[0].after)):
        np.testing.assert_allclose(drawn.get_data().values ** 2 * portrait.layers[0].weights, counts)


def test_depth_stacks_zeros_and_powers_of_two(portrait):
    first = dataclasses.replace(portrait.layers[0], zero=300, quantised=600)
    axes = portrait_figures.depth(dataclasses.replace(portrait, layers=[first])).axes[0]
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0, 10.0), (10.0, 20.0)]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["layer0.conv1"]
