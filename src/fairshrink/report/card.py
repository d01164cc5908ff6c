"""The model card of a run, `card.md`: filled from its records, in the order of Mitchell et al. 2019, and nothing invented."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from fairshrink.errors import StoreError
from fairshrink.files import write_text
from fairshrink.report import card_parts, card_results, citations, facts, verdict
from fairshrink.report.card_parts import NOT_STATED, section
from fairshrink.report.markdown import bullets, heading, named, paragraph, table
from fairshrink.report.parsing import from_json
from fairshrink.report.reading import DAMAGED, read_run
from fairshrink.report.records import Run

SKIN = re.compile("skin|tone|fitzpatrick", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What is read of a model.json."""

    weights_sha256: str


def write_card(folder: Path) -> Path:
    """Write `card.md` into a run folder.

    Args:
        folder: What `fairshrink run` or `fairshrink demo` wrote. Only its records are read, no model and no image.

    Returns:
        The card. The same records give the same bytes.

    Raises:
        StoreError: A record is missing or damaged, or the card cannot be written.
    """
    return write_text(Path(folder) / "card.md", render(read_run(folder)))


def render(run: Run) -> str:
    """The card of a run, as Markdown.

    Raises:
        StoreError: A model.json is damaged.
    """
    blocks = [
        heading(1, f"Model card: {run.data.name}, shrunk for {run.data.shrunk_for}"),
        paragraph(
            "Written by fairshrink from the records of this run. What the records do not say is called not stated; the boxes "
            "are for whoever hands the model on."
        ),
        *card_parts.details(run),
        *card_parts.intended(run),
        *card_parts.factors(run),
        *card_parts.metrics(run),
        *card_parts.data(run),
        heading(2, "Quantitative analyses"),
        paragraph(verdict.headline(run)),
        *(block for stage in run.stages for block in card_results.model(run, stage)),
        *_considerations(run),
        *_again(run),
    ]
    return "\n\n".join(blocks) + "\n"


def _considerations(run: Run) -> list[str]:
    return [
        heading(2, "Ethical considerations"),
        bullets(
            [
                "A gap can narrow because a model becomes worse for the group that it served better: read macro F1 beside it.",
                "The groups are what the metadata say of people. The group is used while a model is shrunk and audited.",
            ]
        ),
        heading(2, "Caveats and recommendations"),
        paragraph("As the page beside this card (report.html) has them:"),
        bullets(verdict.limits(run)),
        heading(3, "Not stated"),
        bullets(_not_stated(run)),
    ]


def _not_stated(run: Run) -> list[str]:
    """What a reader should ask the owner, because no record says it."""
    source = section(run, "data").get("source")
    drawn = source == "lesions"
    texts = [
        "How well it does on images of other places, devices and people than those of its data set.",
        "How it is used, and who looks at its answers.",
    ]
    papers = " The papers of the data set, below, may say it." if source in citations.SOURCES else ""
    if not drawn:
        texts = [
            f"Who labelled the images, how, and how often they agree.{papers}",
            f"With which devices, where and from whom the images were taken, and what these people agreed to.{papers}",
            *texts,
        ]
    if not drawn and not any(SKIN.search(name) for name in run.data.attributes):
        texts.append("Skin tone: it is none of the attributes, so nothing is known of gaps between skin tones.")
    if card_parts.licence(run) == NOT_STATED:
        texts.append("The licence of the data.")
    if section(run, "model").get("checkpoint"):
        texts.append(
            "What the model was trained on before this run: whether test images were among it cannot be seen here."
        )
    return texts


def _again(run: Run) -> list[str]:
    seeds = ", ".join(f"{key} {seed}" for key, seed in facts.seeds(run).items())
    texts = {
        "Command": (
            "fairshrink run config.toml, with the config.toml of this folder, started where its images are found (docs/data.md)"
        ),
        "Its SHA-256": hashlib.sha256(run.config.encode()).hexdigest(),
        "Seeds": seeds,
    }
    environment = [[cell.text for cell in row] for body in facts.environment(run).bodies for row in body]
    cited = citations.cited(
        [
            *(stage.record.method for stage in run.stages),
            *[citations.MULTI_EXIT] * any(stage.exits for stage in run.stages),
        ],
        str(section(run, "model").get("backbone", "")),
        str(section(run, "data").get("source", "")),
        section(run, "train").get("augment", ()),
    )
    return [
        heading(2, "Reproduce"),
        named(texts),
        table(["environment", "value"], environment),
        *_files(run.folder),
        heading(2, "Cite"),
        bullets(cited),
    ]


def _files(folder: Path) -> list[str]:
    """The model files and the SHA-256 of their weights, as the model.json beside each says."""
    found = sorted([*folder.glob("stages/*/model.json"), *folder.glob("stages/*/fold-*/model.json")])
    names = [path.relative_to(folder).as_posix() for path in found]
    rows = [
        [str(Path(name).with_name("model.safetensors")), _digest(path, name)]
        for path, name in zip(found, names, strict=True)
    ]
    return [table(["model file", "SHA-256"], rows)] if rows else [paragraph(f"Model files: {NOT_STATED}.")]


def _digest(path: Path, name: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"'{path}' could not be read: {error.strerror or error}.") from error
    return from_json(content, name, ModelFile, DAMAGED).weights_sha256
