"""A crontab file, in the syntax of Vixie cron as Debian and cronie ship it, to entries and problems.

Pure: it reads text and says what it found. A line it cannot take is a problem named with its number; the caller
imports all or nothing. Comments are whole lines; `KEY=value` lines hold for the lines below them; `CRON_TZ`
sets the zone of the lines below it, while `TZ`, as in cron, is an ordinary variable of the command.

One file past two hundred lines: what a line may say and the state that lines share read best together.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.expression import canonical
from apps.jobs.recurrence.validation import validate_cron
from apps.jobs.recurrence.zones import zone

MAX_FILE_LENGTH = 1_000_000
MAX_LINE_LENGTH = 4_096
_NAME_LENGTH = 100
_SHOWN_LENGTH = 120

_ENVIRONMENT = re.compile(r"""(?P<quote>["']?)(?P<key>[^\s="'@*]+)(?P=quote)\s*=\s*(?P<value>.*)""")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
_PERCENT = re.compile(r"(?<!\\)%")
_AT_START = "@reboot runs when a machine starts; there is none here, so this line is left out."
_TZ_IS_NOT_CRON_TZ = "TZ is passed to the commands only, as cron does; CRON_TZ would set the schedules' zone."
_NO_MAIL = "MAILTO is passed to the commands; output is kept with each execution instead of being mailed."


@dataclass(frozen=True, slots=True)
class CrontabEntry:
    """A line that runs something. `schedule` is canonical: five fields, macros expanded.

    `stdin` is what follows the first bare `%` of the command, None where there is none. `external_key` is the
    same at each import as long as user, schedule, zone and command are; where lines are alike in all four,
    they are told apart by their order.
    """

    line_number: int
    schedule: str
    timezone: str
    user: str | None
    command: str
    stdin: str | None
    environment: dict[str, str]
    name: str
    external_key: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about one line (numbered from 1; 0 is the whole file), with the line's beginning."""

    line_number: int
    line: str
    sentence: str


@dataclass(frozen=True, slots=True)
class CrontabFile:
    """`problems` have to be mended before an import; `notices` are what a person should know of it."""

    entries: list[CrontabEntry]
    problems: list[Problem]
    notices: list[Problem]


def parse_crontab(
    text: str,
    *,
    user_column: bool = False,
    default_timezone: str = "UTC",
    now: datetime | None = None,
    min_interval_seconds: int = 0,
) -> CrontabFile:
    """Read a crontab; never raises for what is in `text`.

    `user_column` is for system crontabs (/etc/crontab, /etc/cron.d). With `now`, schedules that never run or
    run more often than `min_interval_seconds` are problems too. Raises ScheduleError for `default_timezone`.
    """
    reader = _Reader(
        user_column=user_column,
        timezone=zone(default_timezone).key,
        now=now,
        min_interval_seconds=min_interval_seconds,
    )
    if len(text) > MAX_FILE_LENGTH:
        reader.problem(
            0, "", f"A crontab has at most {MAX_FILE_LENGTH:,} characters; this has {len(text):,}."
        )
        return reader.file
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        reader.take(number, line.removesuffix("\r").strip(" \t"))
    return reader.file


class _Reader:
    """Takes line after line, with the environment and zone in force so far."""

    def __init__(
        self, *, user_column: bool, timezone: str, now: datetime | None, min_interval_seconds: int
    ) -> None:
        self.file = CrontabFile([], [], [])
        self._user_column = user_column
        self._default_timezone = self._timezone = timezone
        self._now = now
        self._min_interval_seconds = min_interval_seconds
        self._environment: dict[str, str] = {}
        self._seen: Counter[str] = Counter()

    def problem(self, number: int, line: str, sentence: str) -> None:
        self.file.problems.append(Problem(number, _beginning(line, _SHOWN_LENGTH), sentence))

    def _notice(self, number: int, line: str, sentence: str) -> None:
        self.file.notices.append(Problem(number, _beginning(line, _SHOWN_LENGTH), sentence))

    def take(self, number: int, line: str) -> None:
        if not line or line.startswith("#"):
            return
        try:
            if len(line) > MAX_LINE_LENGTH:
                raise ScheduleError(
                    "line", f"A line has at most {MAX_LINE_LENGTH:,} characters; this has {len(line):,}."
                )
            if any(character != "\t" and not character.isprintable() for character in line):
                raise ScheduleError(
                    "line", "The line has control characters in it, so it is no crontab line."
                )
            if match := _ENVIRONMENT.fullmatch(line):
                self._set(number, line, match["key"], match["value"])
            else:
                self._add(number, line)
        except ScheduleError as error:
            self.problem(number, line, error.sentence)

    def _set(self, number: int, line: str, key: str, value: str) -> None:
        if not _KEY.fullmatch(key):
            raise ScheduleError("line", "A variable's name has letters, digits and underscores only.")
        value = _unquoted(value)
        if key == "CRON_TZ":
            self._timezone = zone(value).key if value else self._default_timezone
            return
        self._environment[key] = value
        if key == "TZ":
            self._notice(number, line, _TZ_IS_NOT_CRON_TZ)
        elif key == "MAILTO" and value:
            self._notice(number, line, _NO_MAIL)

    def _add(self, number: int, line: str) -> None:
        if line.split(maxsplit=1)[0].lower() == "@reboot":
            self._notice(number, line, _AT_START)
            return
        fields, rest = _split(line, 1 if line.startswith("@") else 5)
        schedule = self._schedule(" ".join(fields))
        user = None
        if self._user_column:
            owner, rest = _split(rest, 1)
            user = self._user(owner)
        if not rest:
            raise ScheduleError("line", "The line has no command after its schedule.")
        if re.match(r"[*0-9/,-]*\*[*0-9/,-]*(\s|$)", rest):
            raise ScheduleError(
                "line", "The line has more than five time fields; a schedule has exactly five."
            )
        if not self._user_column and re.match(r"root\s", rest):
            self._notice(
                number, line, "The command starts with “root”; is this a system crontab (user column)?"
            )
        command, stdin = _command(rest)
        if not command:
            raise ScheduleError("line", "The line has no command before its “%”.")
        self.file.entries.append(
            CrontabEntry(
                line_number=number,
                schedule=schedule,
                timezone=self._timezone,
                user=user,
                command=command,
                stdin=stdin,
                environment=dict(self._environment),
                name=_beginning(" ".join(command.split()), _NAME_LENGTH),
                external_key=self._key(schedule, user, rest),
            )
        )

    def _schedule(self, text: str) -> str:
        if self._now is None:
            return canonical(text)
        least = self._min_interval_seconds
        return validate_cron(text, self._timezone, now=self._now, min_interval_seconds=least).expression

    def _user(self, owner: list[str]) -> str:
        if owner and _USER.fullmatch(owner[0]):
            return owner[0]
        raise ScheduleError(
            "line", "A user's name is expected after the schedule; has this file a user column?"
        )

    def _key(self, schedule: str, user: str | None, command: str) -> str:
        # Not the line number: a comment added on top must not turn every job into a new one.
        parts = "\0".join((user or "", schedule, self._timezone, command))
        digest = hashlib.sha256(parts.encode()).hexdigest()[:32]
        self._seen[digest] += 1
        return f"crontab:{digest}:{self._seen[digest]}"


def _split(text: str, count: int) -> tuple[list[str], str]:
    """The first `count` words, fewer where there are no more, and the untouched rest."""
    words = text.split(maxsplit=count)
    return words[:count], words[count] if len(words) > count else ""


def _command(text: str) -> tuple[str, str | None]:
    """Cron's percent signs: the first bare one begins the standard input, further ones end its lines."""
    command, *lines = (part.replace("\\%", "%") for part in _PERCENT.split(text))
    if not lines:
        return command, None
    stdin = "\n".join(lines)
    return command.rstrip(), stdin if stdin.endswith("\n") else stdin + "\n"


def _unquoted(value: str) -> str:
    quote = value[:1]
    if quote not in ('"', "'") or not quote:
        return value
    if len(value) < 2 or value[-1] != quote:
        raise ScheduleError("line", f"The value's opening {quote} has no closing one at the end of the line.")
    return value[1:-1]


def _beginning(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
