import tomllib
from pathlib import Path

import pytest

from fairshrink.errors import ConfigError
from fairshrink.lab.chains import chains
from fairshrink.lab.sweep_file import flat, load_sweep, parse_sweep
from fairshrink.lab.variants import variants

BASE = {"data": {"source": "lesions"}}


def parsed(**parts):
    return parse_sweep({"base": BASE} | parts, "here")


def test_keys_may_be_quoted_or_nested():
    nested = tomllib.loads("[grid]\ntrain.lr = [1, 2]\n'data.seed' = [0]\n[grid.model]\nbackbone = ['a']\n")
    assert parsed(**nested).grid == {"train.lr": (1, 2), "data.seed": (0,), "model.backbone": ("a",)}
    assert flat({"a": {"b": {"c": 1}}, "d": {}}) == {"a.b.c": 1, "d": {}}


def test_draws_are_ranges_and_lists():
    random = parsed(random={"draws": 2, "train": {"lr": {"low": 1, "high": 2.5}}, "data.seed": [1, 2]}).random
    assert random is not None
    assert random.seed == 0
    assert list(random.keys) == ["train.lr", "data.seed"]


def test_what_is_written_is_read_back_the_same():
    sweep = parsed(
        name="a",
        seeds=[0, 2],
        grid={"train.lr": [0.1]},
        list=[{"name": "x", "train.epochs": 2}],
        random={"draws": 3, "seed": 4, "train.momentum": {"low": 0.1, "high": 0.9, "log": True}},
    )
    again = parse_sweep(tomllib.loads(sweep.text()), "again")
    assert again == sweep
    assert again.digest() == sweep.digest() != parsed().digest()


def test_the_base_is_a_file_beside_the_sweep(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.toml").write_text("[data]\nsource = 'lesions'\n", encoding="utf-8")
    (tmp_path / "many.toml").write_text("base = 'sub/base.toml'\nseeds = [0, 1]\n", encoding="utf-8")
    file = load_sweep(tmp_path / "many.toml")
    assert (file.name, file.beside, file.sweep.base) == ("many", tmp_path / "sub", BASE)
    (tmp_path / "inline.toml").write_text("name = 'own'\n[base.data]\nsource = 'lesions'\n", encoding="utf-8")
    inline = load_sweep(tmp_path / "inline.toml")
    assert (inline.name, inline.beside, inline.sweep.base) == ("own", tmp_path, BASE)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the sweep '.*no.toml': No such file"):
        load_sweep(tmp_path / "no.toml")
    (tmp_path / "a.toml").write_text("base = 'no.toml'\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cannot read the base experiment '.*no.toml'"):
        load_sweep(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_text("base = \n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the sweep '.*b.toml' is not TOML"):
        load_sweep(tmp_path / "b.toml")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"gird": {}}, r"there is no setting 'gird'. Did you mean 'grid'\?"),
        ({"base": 3}, "base is 3, but a table is expected"),
        ({"grid": {"train.lr": 0.1}}, "grid: 'train.lr' is 0.1, but a list of one value or more"),
        ({"grid": {"train.lr": []}}, r"grid: 'train.lr' is \[\], but a list of one value or more"),
        ({"grid": {"lr": [1]}}, "grid: 'lr' is no setting: give section.key"),
        ({"seeds": [1, 1]}, "each seed may stand there once"),
        ({"seeds": [-1]}, "seeds.0: it is -1, but a seed from 0 to 4,294,967,295 is expected"),
        ({"seeds": [2**70]}, "seeds.0: it is 1180591620717411303424, but a seed from 0 to"),
        ({"name": "a/b"}, "the name 'a/b' cannot name a folder"),
        ({"list": [{"name": 3}]}, "the name 3 cannot name a folder"),
        ({"seeds": [1], "grid": {"train.seed": [1]}}, "'train.seed' is in seeds and in grid"),
        ({"list": [{"train.lr": 1}], "grid": {"train.lr": [1]}}, "'train.lr' is in grid and in list"),
        ({"random": {"train.lr": [1]}}, "random.draws is not there, but it is needed"),
        ({"random": {"draws": 2, "drwas": [1]}}, r"there is no setting 'drwas'. Did you mean 'draws'\?"),
        ({"random": {"draws": 2, "train.lr": 1}}, "'train.lr' is 1, but a list, or { low = 1e-3, high = 1e-1 }"),
        ({"random": {"draws": 3}}, "  random has no values; leave it out"),
        ({"seeds": []}, "  seeds has no values; leave it out"),
        ({"list": []}, "  list has no values; leave it out"),
        ({"grid": {}}, "  grid has no values; leave it out"),
        (
            {"grid": {"shrink": [3]}},
            r"grid: 'shrink' has 3, but lists of steps is expected, such as shrink = \[\[\], \[",
        ),
        ({"list": [{"shrink": [3]}]}, r"list: 'shrink' has \[3\], but a list of steps is expected"),
        ({"grid": {"shrink": [[]], "shrink.0.ratio": [1]}}, "'shrink' and 'shrink.0.ratio' are both there"),
    ],
)
def test_what_cannot_be_used_is_named(parts, message):
    with pytest.raises(ConfigError, match=message):
        parsed(**parts)


@pytest.mark.parametrize(
    ("among", "message"),
    [
        ({"low": 0, "high": 1, "lgo": True}, "random.train.lr: there is no setting 'lgo'. Did you mean 'log'?"),
        ({"hgih": 3, "low": 1}, "random.train.lr: there is no setting 'hgih'. Did you mean 'high'?"),
        ({"hgih": 3, "lwo": 1}, "random.train.lr: there is no setting 'hgih'. Did you mean 'high'?"),
        ({"low": 2, "high": 1}, "random.train.lr: low is 2 and high 1, but low must be below high."),
        ({"low": 0, "high": 1, "log": True}, "random.train.lr: low is 0, but a logarithmic range needs one above 0."),
        ({"low": 1}, "random.train.lr.high is not there, but it is needed: a number"),
        ({"low": 1, "high": float("inf")}, "random.train.lr.high: it is inf, but a finite number is expected."),
        ({"low": "x", "high": 1}, "random.train.lr.low: it is 'x', but a finite number is expected."),
        ({"low": True, "high": 2}, "random.train.lr.low: it is True, but a finite number is expected."),
        ({"low": 1, "high": 2, "log": 3}, "random.train.lr.log is 3, but true or false is expected."),
        ([], "random: 'train.lr' is [], but a list, or { low = 1e-3, high = 1e-1 }, is expected."),
    ],
)
def test_a_range_that_cannot_be_used_is_told_in_one_line_of_its_own_names(among, message):
    with pytest.raises(ConfigError) as refused:
        parsed(random={"draws": 2, "train.lr": among})
    assert str(refused.value).splitlines()[1:] == [f"  {message}"]


def test_without_a_base_it_says_what_one_is():
    with pytest.raises(
        ConfigError, match=r'base is not there, but it is needed: base = "EXPERIMENT.toml", or the tables'
    ):
        parse_sweep({}, "here")


def test_the_example_with_exits_has_every_row_and_shares_the_training_of_the_plain_one():
    examples = Path(__file__).parents[2] / "examples"
    runs, notes = variants(load_sweep(examples / "ham10000-exits-sweep.toml").sweep, "exits")
    assert notes == []
    found = {run.name.partition("_")[0]: run.experiment for run in runs}
    rows = {name: (one.model.exits, one.train.objective, len(one.shrink)) for name, one in found.items()}
    assert rows == {
        "vanilla": (None, "erm", 1),
        "me-vanilla": ("auto", "erm", 1),
        "me-hsic": ("auto", "hsic", 0),
        "me-mfd": ("auto", "mfd", 0),
    }
    (plain,), _ = variants(load_sweep(examples / "ham10000-sweep.toml").sweep, "plain")
    assert chains(found["vanilla"])[0].key == chains(plain.experiment)[0].key
