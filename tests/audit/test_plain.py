import numpy as np

from fairshrink.audit import audit


def test_the_text_has_every_attribute_its_gaps_and_notes():
    y = [0, 1, 0, 1, 0, 1, 0, 1]
    text = str(audit(y, y, {"a": y, "b": [0, 0, 1, 1, 0, 0, 1, None]}, n_boot=5))
    assert text.startswith("8 predictions, 2 classes: accuracy 1.000, macro F1 1.000 (strict convention, 5 resamples")
    assert "a & b: 4 groups, 1 rows unknown" in text
    assert sum(line.startswith("  eodd_max") for line in text.splitlines()) == 3
    assert "note: num_classes was not given" in text
    assert "*: fewer than 10 images." in text


def test_sentences_are_wrapped_and_what_is_cut_is_said():
    rng = np.random.default_rng(0)
    y, g = rng.integers(0, 20, 2000), rng.integers(0, 2, 2000)
    text = str(audit(y, rng.permutation(y), g, num_classes=21, n_boot=50))
    assert "  9 more classes are in to_dict() and to_json()." in text
    assert "How often a class is found (eopp1) differs between 0 and 1" in text
    assert max(map(len, text.splitlines())) <= 100
