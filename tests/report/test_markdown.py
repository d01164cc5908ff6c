import pytest

from fairshrink.report.cells import Cell, Table, head, heads, words
from fairshrink.report.markdown import bullets, escape, heading, named, of_cells, open_items, paragraph, table
from fairshrink.report.templates import shown
from report.read_markdown import CELLS, PLAIN, kinds, lines
from trust.hostile import NAMES

TRICKS = [
    *NAMES.values(), "a\\|b", "a\\", "# x", "1. x", "12) y", "---", "- x", "+ x", "* x", "> x", "<b>", "<!--", "&#60;", "[a](b)",
    "![a](b)", "_x_", "__x__ y_", "~~x~~", "a  \nb", "|", "[x]: /u", "***", "```", "www.x.y", "https://x.y", "a@b.c",
]  # fmt: skip


@pytest.mark.parametrize("name", TRICKS)
def test_a_name_is_read_as_it_is_and_is_nothing_else(name):
    once = " ".join(str(shown(name)).split())
    for document in (paragraph(name), bullets([name]), heading(2, name), named({name: name})):
        assert kinds(document) <= PLAIN
        assert lines(document) in ([once], [f"{once}: {once}"])
    rows = table([name, "b"], [[name, "1"], ["a", name]])
    assert kinds(rows) <= PLAIN | CELLS
    assert lines(rows) == [once, "b", once, "1", "a", once]


def test_what_github_links_by_itself_is_no_link():
    assert escape("https://x.y www.x.y a@b.c") == r"https\://x.y www\.x.y a\@b.c"
    assert lines(paragraph("https://x.y www.x.y a@b.c")) == ["https://x.y www.x.y a@b.c"]


def test_plain_words_and_numbers_stay_readable():
    for text in ("lesion_id", "0.350", "+0.079", "-0.3", "age >= 60", "a & b", "2026-01-05", "FAT, 2019."):
        assert escape(text) == text


def test_columns_of_numbers_are_set_to_the_right():
    ruler = table(["name", "value", "how"], [["a", "0.1", "yes"], ["b", "–", "1 of 2"]]).splitlines()[1]
    assert ruler == "| --- | ---: | --- |"
    assert table(["a"], []).splitlines()[1] == "| --- |"


def test_boxes_can_be_ticked():
    assert open_items(["a", "[x]"]) == "- [ ] a\n- [ ] \\[x\\]"


def test_a_table_of_the_page_keeps_its_caption_its_notes_and_its_small_lines():
    found = Table(
        "Gaps", [head("model"), *heads("value")], [[[words("a"), Cell("0.1", ("0.0 to 0.2", "chance 0.3"))]]], "Why."
    )
    assert of_cells(found) == [
        "Gaps:",
        "| model | value |\n| --- | ---: |\n| a | 0.1 (0.0 to 0.2; chance 0.3) |",
        "Why.",
    ]
    bare = Table("", [], [[[words("key"), words("x")]]])
    assert of_cells(bare) == ["|  |  |\n| --- | --- |\n| key | x |"]
