import re
from xml.etree import ElementTree

from fairshrink.report import style
from fairshrink.report.svg import inline_svg

HOSTILE = '"><img src=x> $x$ </text><script>alert(1)</script>'


def drawn(prefix="p", text="text"):
    with style.drawing():
        figure = style.canvas(2.0)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], "o-", label=text)
        axes.imshow([[0, 1]], interpolation="none")
        axes.set_title(text)
        style.legend(figure, axes)
        return inline_svg(figure, prefix, text)


def test_hostile_text_stays_text():
    svg = str(drawn(text=HOSTILE))
    root = ElementTree.fromstring(svg)
    assert {element.tag for element in root.iter()} <= {
        "svg",
        "g",
        "path",
        "use",
        "text",
        "defs",
        "clipPath",
        "rect",
        "image",
    }
    assert root.attrib["aria-label"] == HOSTILE
    assert HOSTILE in [element.text for element in root.iter("text")]


def test_every_id_has_the_prefix_and_every_reference_an_id():
    svg = str(drawn("first"))
    ids = re.findall(r' id="([^"]+)"', svg)
    used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)
    assert ids
    assert all(name.startswith("first-") for name in ids)
    assert {a or b for a, b in used} == set(ids)
    assert set(ids).isdisjoint(re.findall(r' id="([^"]+)"', str(drawn("second"))))


def test_nothing_is_fetched_dated_or_styled_for_the_whole_page():
    svg = str(drawn())
    assert "http" not in svg
    assert "<style" not in svg
    assert "<metadata" not in svg
    assert 'href="data:image/png;base64,' in svg


def test_neutral_colours_follow_the_page():
    svg = str(drawn())
    assert "var(--ink)" in svg
    assert style.INK not in svg


def test_the_same_picture_has_the_same_bytes():
    assert drawn() == drawn()


def test_letters_that_the_drawing_font_lacks_are_left_to_the_reader(recwarn):
    assert "皮膚" in drawn(text="皮膚")
    assert not recwarn.list


def test_coordinates_are_short_and_level_text_is_not_turned():
    svg = str(drawn())
    assert "rotate(0 " not in svg
    assert "rotate(-0 " not in svg
    assert not re.search(r' [xy]="-?\d+\.\d{3,}"', svg)
