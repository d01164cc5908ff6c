"""Records are checked where they come in; what does not fit is refused with its place."""

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from fairshrink.errors import StoreError
from fairshrink.report.audited import AuditRecord
from fairshrink.report.compared import ComparisonRecord

T = TypeVar("T")
AUDIT_AGAIN = "Make it again with  fairshrink audit PREDICTIONS.csv ... --json FILE  or  audit(...).to_dict()."


def from_json(content: bytes, name: str, kind: type[T], advice: str) -> T:
    """A record from JSON text.

    Raises:
        StoreError: It is no JSON, or has not the keys and values of its kind; names the file and the first place.
    """
    try:
        return _adapter(kind).validate_json(content)
    except ValidationError as error:
        raise _refusal(error, name, advice) from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made once per kind: a run has thousands of lines."""
    return TypeAdapter(kind)


def from_plain(value: Any, name: str, kind: type[T], advice: str) -> T:
    """A record from plain data, as `from_json`."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise _refusal(error, name, advice) from error


def _refusal(error: ValidationError, name: str, advice: str) -> StoreError:
    first, others = error.errors(include_url=False, include_input=False)[0], error.error_count() - 1
    place = ".".join(str(part) for part in first["loc"])
    more = f" ({others} more like this)" if others else ""
    return StoreError(f"'{name}': {place and place + ': '}{first['msg']}{more}. {advice}")


def audit_record(data: Any, name: str = "audit") -> AuditRecord:
    """The record of an audit that is to be drawn by itself.

    Raises:
        StoreError: It is not the layout of audit.json, has no attribute, or its classes speak of other groups.
    """
    record = from_plain(data, name, AuditRecord, AUDIT_AGAIN)
    if not record.attributes:
        raise StoreError(f"'{name}': attributes is empty, expected at least one audited column. {AUDIT_AGAIN}")
    for attribute, found in record.attributes.items():
        if not found.groups or not found.gaps:
            raise StoreError(f"'{name}': attributes.{attribute} has no groups or no gaps to show. {AUDIT_AGAIN}")
        for label, rates in found.classes.items():
            if other := sorted(set(rates) - set(found.groups)):
                raise StoreError(
                    f"'{name}': attributes.{attribute}.classes.{label} names the group '{other[0]}', but the groups are "
                    f"{list(found.groups)}. {AUDIT_AGAIN}"
                )
    return record


def comparison_record(data: Any, name: str = "comparison") -> ComparisonRecord:
    """The record of a comparison that is to be drawn beside an audit.

    Raises:
        StoreError: It is not the layout of comparison.json.
    """
    again = "Make it again with  fairshrink audit A.csv --against B.csv ...  or  compare(...).to_dict()."
    return from_plain(data, name, ComparisonRecord, again)
