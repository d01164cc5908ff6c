from fairshrink.data.sources import SOURCES
from fairshrink.lab.grid import METHODS
from fairshrink.models.backbones import BACKBONES
from fairshrink.report import citations


def test_what_was_used_is_cited_once():
    found = citations.cited(
        ["vanilla", "obd", "fairprune", "fairprune"], "resnet18", "ham10000", ["flip", "autoaugment"]
    )
    names = ["Tschandl", "LeCun", "Wu, Zeng", "He, Zhang", "Cubuk", "Hardt", "Xu et al.", "Holm", "Mitchell"]
    assert len(found) == len(names)
    assert all(paper.startswith(name) for paper, name in zip(found, names, strict=True))
    assert citations.cited([], "vgg11_bn", "table", ())[0].startswith("Simonyan")
    assert citations.cited([], "timm:resnet50", "table", ())[0].startswith("He, Zhang")


def test_quantisation_cites_what_it_builds_on_and_a_control_nothing():
    found = citations.cited(["vanilla", "fairquantize", "retrain"], "small_cnn", "table", ())
    assert [paper.partition(",")[0] for paper in found[:2]] == ["Guo", "Zhou"]
    assert found[2:] == list(citations.MEASURES)


def test_what_is_not_known_is_left_out():
    assert citations.cited(["mine"], "small_cnn", "table", ["flip"]) == list(citations.MEASURES)


def test_every_method_and_every_published_source_of_ours_is_known():
    assert set(METHODS) <= set(citations.METHODS)
    assert set(SOURCES) - {"lesions", "table"} <= set(citations.SOURCES)
    known = tuple(citations.BACKBONES)
    assert [name for name in BACKBONES if not name.startswith(known)] == ["small_cnn"]


def test_channel_pruning_cites_the_paper_and_its_score():
    found = citations.cited(["vanilla", "fairprune", "scp", "fairprune_channels"], "small_cnn", "table", ())
    assert [paper.partition(",")[0] for paper in found[:3]] == ["Wu", "Kong", "Frosst"]
    assert found[3:] == list(citations.MEASURES)


def test_trainings_and_exits_cite_theirs():
    found = citations.cited(["hsic", "mfd", citations.MULTI_EXIT], "small_cnn", "table", ())
    assert [paper.partition(",")[0] for paper in found[:5]] == ["Quadrianto", "Song", "Jung", "Gretton", "Chiu"]
