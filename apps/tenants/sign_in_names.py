"""How long a name may be that somebody signs in with, on the operators' host as on tenants'."""

from __future__ import annotations

from typing import Any

MAX_USERNAME = 150  # as the model has it


class BoundedName:
    """For a sign-in form: Django only tells the browser, and the record of failed sign-ins has 255 characters."""

    def clean_username(self: Any) -> str:
        username: str = self.cleaned_data["username"]
        if len(username) > MAX_USERNAME:
            raise self.get_invalid_login_error()
        return username
