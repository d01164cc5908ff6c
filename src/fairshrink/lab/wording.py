"""What a setting must be, in words of our own in place of pydantic's."""

from typing import Any

# Kinds of pydantic's complaints -> what was expected; the numbers come with the complaint.
EXPECTED = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "literal_error": "{expected}",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "{le:g} or less",
}


def expected(problem: Any) -> str | None:
    """A noun phrase for one of pydantic's complaints; None where there is no better word than its own."""
    words = EXPECTED.get(problem["type"])
    return None if words is None else words.format(**problem.get("ctx", {}))
