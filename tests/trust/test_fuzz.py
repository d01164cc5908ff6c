"""Whatever is in a file: a result, or an error in the user's words; never another exception."""

import contextlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from fairshrink.audit.reading import Columns, read_predictions
from fairshrink.audit.rules import parse_rule
from fairshrink.data.groups import parse_group
from fairshrink.data.splits import read_split_file
from fairshrink.data.table import read_csv
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.lab.config import Experiment, load_experiment
from fairshrink.lab.overrides import apply_override
from fairshrink.models.checkpoint import read_weights
from tiny import TINY
from toys import toy_model

bounded = settings(max_examples=80, deadline=None, derandomize=True)
CELLS = [
    "",
    "a",
    "b",
    "nan",
    "NaN",
    "-1",
    "1",
    "1.0",
    "1e999",
    "inf",
    "0.5",
    "é",
    '"',
    "a,b",
    "\r",
    "=1",
    "\ufeff",
    "9" * 400,
]
cells = st.one_of(st.sampled_from(CELLS), st.text(max_size=6))
SIGNS = st.sampled_from([",", ";", "\t", "|", "\n", "\r\n", "\r", '"', "'", "\0", "\ufeff", " "])


@cache
def place():
    """A folder for all examples: they are read one after the other."""
    folder = TemporaryDirectory()
    return folder, Path(folder.name)


def file_of(content, name="a"):
    path = place()[1] / name
    path.write_bytes(content)
    return path


@st.composite
def tables(draw, header):
    """A table of these columns, then some damage: signs put in anywhere, bytes exchanged."""
    rows = draw(st.lists(st.lists(cells, min_size=len(header), max_size=len(header)), max_size=6))
    text = "\n".join(",".join(row) for row in [header, *rows])
    for at, sign in draw(st.lists(st.tuples(st.integers(0, 200), SIGNS), max_size=4)):
        text = text[: at % (len(text) + 1)] + sign + text[at % (len(text) + 1) :]
    data = bytearray(text.encode(draw(st.sampled_from(["utf-8", "utf-16", "utf-8-sig"])), "surrogatepass"))
    for at, byte in draw(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), max_size=3)):
        if data:
            data[at % len(data)] = byte
    return bytes(data)


@bounded
@given(st.one_of(st.binary(max_size=120), tables(["image", "label"])))
def test_tables(content):
    with contextlib.suppress(DataError):
        frame, rows = read_csv(file_of(content), ["image", "label"])
        assert len(frame) == len(rows) > 0
        assert {"image", "label"} <= set(frame.columns)
        assert frame.map(lambda cell: isinstance(cell, str)).all(axis=None)


PREDICTIONS = ["label", "prediction", "sex", "age", "lesion", "prob_a", "prob_b"]


@bounded
@given(
    st.one_of(st.binary(max_size=120), tables(PREDICTIONS)),
    st.sampled_from(["prediction", None]),
    st.sampled_from([("sex",), ("age >= 60",), ("sex", "age bins 40, 60")]),
    st.sampled_from([(), ("a,b",), ("2",)]),
)
def test_predictions(content, prediction, groups, classes):
    with contextlib.suppress(DataError, ConfigError):
        read = read_predictions(file_of(content), Columns("label", groups, prediction, "lesion", classes))
        assert len(read.y_true) == len(read.y_pred) == len(read.rows)
        assert all(len(values) == len(read.rows) for values in read.attributes.values())


@bounded
@given(st.one_of(st.binary(max_size=120), tables(["image", "split"])))
def test_published_splits(content):
    with contextlib.suppress(DataError):
        assert read_split_file(file_of(content), ["a", "b", "c"], missing="exclude").shape == (1, 3)


values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["eopp1", "sex"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=4,
)
KEYS = [(section, key) for section, keys in TINY.items() if isinstance(keys, dict) for key in keys]
KEYS += [("data", key) for key in ("images", "metadata", "split_file", "folds", "unknown", "missing", "seed")]
STEP = ["method", "ratio", "beta", "step", "choose", "parent", "name", "unprivileged", "samples", "columns", "x"]


@st.composite
def experiments(draw):
    """The tiny experiment with some settings exchanged for anything that TOML can say."""
    given_ = {
        name: dict(part) if isinstance(part, dict) else [dict(step) for step in part] for name, part in TINY.items()
    }
    for section, key in draw(st.lists(st.sampled_from(KEYS), max_size=3)):
        given_[section][key] = draw(values)
    for key in draw(st.lists(st.sampled_from(STEP), max_size=3)):
        given_["shrink"][draw(st.integers(0, 1))][key] = draw(values)
    if draw(st.booleans()):
        given_[draw(st.sampled_from([*TINY, "x", "model"]))] = draw(values)
    return given_


def in_toml(value):
    """What of a value TOML has a form for."""
    if isinstance(value, dict):
        return {key: in_toml(item) for key, item in value.items() if item is not None}
    return [in_toml(item) for item in value if item is not None] if isinstance(value, list) else value


@bounded
@given(experiments())
def test_experiments(given_):
    with contextlib.suppress(ConfigError):
        found = load_experiment(file_of(tomli_w.dumps(in_toml(given_)).encode("utf-8", "replace")))
        assert isinstance(found, Experiment)
        assert load_experiment(file_of(found.text().encode())).digest() == found.digest()


@bounded
@given(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace"))))
def test_text_that_is_no_experiment(content):
    with contextlib.suppress(ConfigError):
        load_experiment(file_of(content))


@bounded
@given(st.one_of(st.text(max_size=30), st.tuples(st.sampled_from(["data.size", "shrink.0.beta", "shrink.9.x", "a", "data"]),
                 st.text(max_size=12)).map("=".join)))  # fmt: skip
def test_settings_of_the_command_line(text):
    with contextlib.suppress(ConfigError):
        apply_override({"data": {"size": 32}, "shrink": [{"beta": 1}]}, text)


PARTS = [
    "age",
    "sex",
    " ",
    ">=",
    "<",
    "=",
    "!=",
    ">",
    "bins",
    "60",
    "1e400",
    "nan",
    ",",
    "≥",
    ":",
    "[",
    "]",
    "tpr",
    "eopp1",
    "chance",
]
sentences = st.one_of(st.text(max_size=20), st.lists(st.sampled_from(PARTS), max_size=8).map("".join))


@bounded
@given(sentences)
def test_groups(text):
    with contextlib.suppress(ConfigError):
        rule = parse_group(text)
        assert parse_group(rule.name) == rule


@bounded
@given(sentences)
def test_conditions(text):
    with contextlib.suppress(ConfigError):
        assert parse_rule(text).metric


@cache
def weights():
    return save(toy_model().state_dict())


@bounded
@given(
    st.one_of(st.just(None), st.binary(max_size=60)),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 10_000),
    st.sampled_from(["w.safetensors", "w.pt"]),
)
def test_weights(content, exchanged, kept, name):
    data = bytearray(weights() if content is None else content)
    for at, byte in exchanged if data else []:
        data[at % min(len(data), 700)] = byte  # the header, where it matters
    with contextlib.suppress(ModelError):
        found = read_weights(file_of(bytes(data[: max(kept, 700)]), name))
        assert all(tensor.isfinite().all() for tensor in found.values())
