import io

from PIL import Image

from fairshrink.report import runs_gallery, style


def test_planes_have_a_panel_per_attribute(lone):
    with style.drawing():
        found = runs_gallery.planes(lone.sections[0], lone.fronts[0], "p")
    assert len(found.panels) == 2
    assert "over the test images." in found.caption
    assert "drawn for vanilla models" not in found.caption


def test_many_models_are_said_to_have_fewer_bars(seeds):
    section = seeds.sections[0]
    with style.drawing():
        found = runs_gallery.planes(section._replace(methods=section.methods * 3), seeds.fronts[0], "p")
    assert "over the seeds where there are several" in found.caption
    assert "drawn for vanilla models and the front only" in found.caption


def test_seeds_are_drawn_where_there_are_several(seeds, lone):
    with style.drawing():
        assert len(runs_gallery.seeds(seeds.sections[0], "sex", "s").panels) == 2
        assert runs_gallery.seeds(lone.sections[0], "sex", "s").panels == []


def test_changes_have_a_panel_per_number(seeds):
    section = seeds.sections[0]
    with style.drawing():
        found = runs_gallery.forests(section, "sex", seeds.differences, "f")
        none = runs_gallery.forests(section._replace(methods=section.methods[:1]), "sex", [], "f")
    assert len(found.panels) == 4
    assert "over all 8 comparisons" in found.caption
    assert none.caption == "There is no shrunk model to compare with the vanilla model."


def test_the_overview_is_a_picture(lone):
    picture = Image.open(io.BytesIO(runs_gallery.overview(lone.sections[0], lone.fronts[0])))
    assert picture.width > picture.height
