import re
import shutil

from PIL import Image

from fairshrink.report.page import overview_png, render, write_report
from report.fake_quantised import write_quantised_run
from report.fake_run import Plan, mapped_grid, write_fake_run
from report.pages import EVIL, Elements, check_harmless


def page(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_is_self_contained(five_folder, three_folder):
    check_harmless(page(five_folder))
    check_harmless(page(three_folder))


def test_every_picture_says_what_it_shows(five_folder):
    pictures = [attributes for tag, attributes in Elements(page(five_folder)).found if tag == "svg"]
    assert len(pictures) == 23
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in pictures)
    assert page(five_folder).count("<figure") == page(five_folder).count("<figcaption")


def test_the_page_has_what_a_reader_needs(five_folder, five):
    text = page(five_folder)
    for part in ("verdict", "done", "models", "attribute-1", "attribute-2", "shrinking", "data", "reproduce", "limits"):
        assert f'<section id="{part}">' in text
    gap = five.vanilla.audit.attributes["sex"].gaps["eopp1"]
    assert (
        f"{gap.value:.3f}<small>{gap.low:.3f}\u00a0to\u00a0{gap.high:.3f}</small><small>chance {gap.null_high:.3f}"
        in text
    )
    assert five.data.digest in text
    assert "[[shrink]]" in text
    assert "A processor with two cores" in text
    assert "no image of that name" in text
    assert (
        "All 5 folds chose the same of 4 candidates" in text or "The folds chose differently among 4 candidates" in text
    )
    assert "from 300 draws of these validation images" in text
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text


def test_the_same_records_give_the_same_bytes(three_folder, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(three_folder, copy)
    before = (copy / "report.html").read_bytes()
    assert write_report(copy) == copy / "report.html"
    assert (copy / "report.html").read_bytes() == before


def test_hostile_names_are_shown_and_do_nothing(tmp_path):
    classes = dict.fromkeys(EVIL, 300)
    attributes = {EVIL[0]: (EVIL[1], EVIL[2])}
    config = f"[data]\nsource = 'x'\nimages = '{EVIL[0]}'\n"
    folder = write_fake_run(tmp_path / "run", Plan(EVIL[2], classes, attributes, 1, (0.2, 0.5), EVIL[0], config))
    write_report(folder)
    text = page(folder)
    check_harmless(text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert re.search(r"<text[^>]*>\$x\$</text>", text)
    assert "{{ 7 * 7 }}" in text


def test_a_run_without_the_optional_records_has_a_page(fresh):
    for name in ("saliency.json", "history.jsonl", "steps.jsonl", "choice.json", "comparison.json"):
        for path in fresh.glob(f"stages/*/{name}"):
            path.unlink()
    text = write_report(fresh).read_text(encoding="utf-8")
    assert text.count('class="absent"') == 7
    check_harmless(text)


def test_the_overview_is_written_where_it_is_wanted(three_folder, tmp_path):
    assert Image.open(overview_png(three_folder, tmp_path / "a" / "overview.png")).format == "PNG"


def test_a_quantised_run_shows_its_weights_and_its_control(tmp_path):
    small = mapped_grid()._replace(folds=1, betas=(0.33,), ratios=(0.1,))
    text = write_report(write_quantised_run(tmp_path / "run", small)).read_text(encoding="utf-8")
    check_harmless(text)
    for part in ("What happened to the weights", "Importance by group", "Fixed, by depth", "− Re-training only"):
        assert part in text
    assert "Against the same re-training without quantisation, " in text
    assert "made 35.0\u00a0% of its weights powers of two" in text
    assert "has no control" not in text


def test_removed_channels_have_fate_by_step_and_say_what_was_taken(channels):
    run = channels._replace(stages=[channels.stages[place] for place in (0, 3, 4)])
    text = render(run)
    check_harmless(text)
    assert "<h3>FATE, step by step</h3>" in text
    assert "SCP on Vanilla, iteration by iteration." in text
    assert "Taken was: fold 0, step 2 of the 3 that were done;" in text
    assert "0 to 20 of 512 channels of layer4.1.conv2" in text
    assert "fairshrink export --cut takes it out of the files" in text
    assert "Left out of the pictures of the settings" not in text
