"""Settings that are of the wrong kind are refused in words of our own."""

import pytest

from fairshrink.errors import ConfigError
from fairshrink.lab.config import parse_experiment
from fairshrink.lab.wording import expected


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"train": {"lr": "fast"}}, r"train\.lr is 'fast', but a number is expected\.$"),
        ({"train": {"lr": float("inf")}}, r"train\.lr is inf, but a finite number is expected\.$"),
        ({"train": {"lr": 0}}, r"train\.lr is 0, but a number above 0 is expected\.$"),
        ({"train": {"momentum": 1}}, r"train\.momentum is 1, but a number below 1 is expected\.$"),
        ({"train": {"nesterov": "so"}}, r"train\.nesterov is 'so', but true or false is expected\.$"),
        ({"train": {"epochs": 1.5}}, r"train\.epochs is 1\.5, but a whole number is expected\.$"),
        ({"train": {"epochs": "x"}}, r"train\.epochs is 'x', but a whole number is expected\.$"),
        ({"train": {"optimizer": "sdg"}}, r"train\.optimizer is 'sdg', but 'sgd' or 'adam' is expected\.$"),
        ({"train": {"augment": 3}}, r"train\.augment is 3, but a list is expected\.$"),
        ({"train": 3}, r"train is 3, but a table is expected\.$"),
        ({"data": {"source": "lesions", "size": 512}}, r"data\.size is 512, but 256 or less is expected\.$"),
        ({"data": {"source": "lesions", "split_by": 3}}, r"data\.split_by is 3, but a text is expected\.$"),
        ({"model": {"mean": [0.5]}}, r"model\.mean\.2 is not there, but it is needed\.$"),
    ],
)
def test_a_sentence_says_what_came_and_what_is_expected(sections, message):
    with pytest.raises(ConfigError, match=message):
        parse_experiment({"data": {"source": "lesions"}} | sections, "test.toml")


def test_words_that_are_not_known_are_pydantics():
    assert expected({"type": "url_parsing", "msg": "Input should be a URL"}) is None
    with pytest.raises(ConfigError, match=r"model\.mean: .* at most 3 items .*, not 4\. It is \[0, 0, 0, 0\]\.$"):
        parse_experiment({"data": {"source": "lesions"}, "model": {"mean": [0, 0, 0, 0]}}, "test.toml")
