import doctest

import pytest
from markupsafe import Markup

from fairshrink.report import templates


def test_the_examples_hold():
    assert doctest.testmod(templates).failed == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines", "two\nlines"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        ("👩🏽\u200d⚕️", "👩🏽\u200d⚕️"),
        ("שלום", "שלום"),
        ("\x00\x1b[31m", "\\u0000\\u001b[31m"),
    ],
)
def test_signs_that_would_steer_the_page_are_written_out(text, shown):
    assert templates.shown(text) == shown


def test_markup_stays_as_it_is():
    picture = Markup("<svg>\u202e</svg>")
    assert templates.shown(picture) is picture
