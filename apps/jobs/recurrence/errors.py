"""The one error of this package."""

from __future__ import annotations


class ScheduleError(ValueError):
    """A schedule that cannot be accepted: `field` names the input at fault, `sentence` tells a person why."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence

    def __reduce__(self) -> tuple[type[ScheduleError], tuple[str, str]]:
        # Exceptions pickle by their args alone; ours has one argument more than its message.
        return type(self), (self.field, self.sentence)
