from fairshrink.report import card, page
from fairshrink.report.writing import write_all


def test_the_page_and_the_card_are_written(three_folder, three, fresh):
    write_all(fresh)
    assert (fresh / "report.html").read_bytes() == (three_folder / "report.html").read_bytes()
    assert (fresh / "card.md").read_text(encoding="utf-8") == card.render(three._replace(folder=fresh))
    assert page.write_report(fresh).exists()
