"""Where data comes from. A new source is one file here and one line in the table."""

from collections.abc import Callable

from fairshrink.data.sources.fitzpatrick17k import fitzpatrick17k
from fairshrink.data.sources.ham10000 import ham10000
from fairshrink.data.sources.isic2019 import isic2019
from fairshrink.data.sources.lesions import lesions
from fairshrink.data.sources.table import table
from fairshrink.data.table import Manifest

SOURCES: dict[str, Callable[..., Manifest]] = {
    "lesions": lesions,
    "ham10000": ham10000,
    "isic2019": isic2019,
    "fitzpatrick17k": fitzpatrick17k,
    "table": table,
}
