"""Refusals: every error carries a sentence, validation names the fields."""

from tests.contract.schemas.words import WORD, exact_object

ERROR = exact_object({"detail": WORD})
FIELD_ERRORS = exact_object(
    {
        "detail": WORD,
        "errors": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "array", "minItems": 1, "items": WORD},
        },
    }
)
