"""What a reader of Markdown makes of a document."""

from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

READ = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PLAIN = {"paragraph", "inline", "text", "text_special", "bullet_list", "list_item", "heading", "strong"}
CELLS = {"table", "thead", "tbody", "tr", "th", "td"}


def tokens(document: str) -> list[Token]:
    """Everything that a reader of Markdown finds, inside of lines too."""

    def flat(found: list[Token]) -> Iterator[Token]:
        for token in found:
            yield token
            yield from flat(token.children or [])

    return list(flat(READ.parse(document)))


def kinds(document: str) -> set[str]:
    return {token.type.removesuffix("_open").removesuffix("_close") for token in tokens(document)}


def lines(document: str) -> list[str]:
    return [
        "".join(part.content for part in token.children or []) for token in tokens(document) if token.type == "inline"
    ]
