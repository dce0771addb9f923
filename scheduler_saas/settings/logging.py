"""How processes log: to standard error, for people or for a collector."""

from typing import Any

FORMS = ("text", "json")


def logging_config(*, level: str, form: str) -> dict[str, Any]:
    """Django's LOGGING. Raises ValueError for a `form` that is none of FORMS."""
    if form not in FORMS:
        raise ValueError(f"LOG_FORMAT is {form!r}; it may be text or json")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {
                "()": "scheduler_saas.logs.TextFormatter",
                "format": "{asctime} {levelname} {name} {message}",
                "style": "{",
            },
            "json": {"()": "scheduler_saas.logs.JsonFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {"axes": {"level": "WARNING"}},
    }
