import pytest

from fairshrink.audit.changed import GAP_WORDS, comparison_text, gaps_sheet, p_value, signed, title, word


def change(**values):
    return {
        "a": 0.2,
        "b": 0.1,
        "change": -0.1,
        "low": -0.2,
        "high": -0.05,
        "p": 0.01,
        "p_holm": 0.02,
        "verdict": "v.",
    } | values


def found(classes):
    return {"groups": {}, "scores": {}, "gaps": {"eopp1": change()}, "class_gaps": classes}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "narrower"),
        ({"low": 0.01, "high": 0.2}, "wider"),
        ({"low": -0.2, "high": 0.0}, "none shown"),
        ({"change": None, "low": None, "high": None}, "undefined"),
    ],
)
def test_one_word(values, expected):
    assert word(change(**values), GAP_WORDS) == expected


def test_what_does_not_stand_after_holm_is_in_brackets():
    rows = gaps_sheet(found({"tpr[mel]": change(p_holm=0.2), "tpr[df]": change(**dict.fromkeys(change(), None))})).rows
    assert [row[-1] for row in rows] == ["narrower", "(narrower)", "undefined"]
    assert rows[2][1:-1] == ("-",) * 6


def test_of_many_classes_the_surest_are_shown():
    classes = {f"tpr[{k}]": change(p=k / 20 if k else None) for k in range(20)}
    names = [row[0] for row in gaps_sheet(found(classes)).rows]
    assert names == ["eopp1", *(f"tpr[{k}]" for k in range(1, 13))]


def test_numbers_and_p_values():
    assert [signed(value) for value in (0.1234, -0.1234, 0.0, 0.00012, None)] == [
        "+0.123",
        "-0.123",
        "0.000",
        "+0.00012",
        "-",
    ]
    assert [p_value(p) for p in (0.5, 0.00099, 0.001, None)] == ["0.500", "<0.001", "0.001", "-"]


def test_names_from_files_cannot_steer_the_terminal():
    data = {
        "models": ["a\x1b[31m.csv", "b.csv"], "overall": {"accuracy": change()}, "clusters": 7, "convention": "strict",
        "n_boot": 10, "seed": 0, "notes": ["\x07"], "attributes": {"s\x1bx": found({"tpr[\x1b]": change()})},
    }  # fmt: skip
    assert "in 7 clusters" in title(data)
    assert not any(sign in comparison_text(data) for sign in "\x1b\x07")
