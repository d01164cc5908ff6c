"""What a page may hold: parsed, so that no trick of quoting hides an element."""

import re
from html.parser import HTMLParser

EVIL = ["<script>alert(1)</script>", "$x$", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "a\x07b\u202ec"]


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text):
        HTMLParser.__init__(self)
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def check_harmless(text):
    """No script, nothing that a browser would fetch, no id twice."""
    elements = Elements(text).found
    assert not {tag for tag, _ in elements} & {"script", "img", "link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [attributes["href"][1:] for tag, attributes in elements if tag == "a"]
    assert set(targets) <= set(ids)
