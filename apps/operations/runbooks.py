"""What on-call does when an alert fires, and who has read it.

The documents are files of the release (RUNBOOKS_DIRECTORY). An acknowledgement is of a file's very bytes, so an edit
asks for another one. All of them are kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from apps.operations.models import Acknowledgement
from apps.tenants.context import all_tenants_scope
from apps.tenants.services import Refused, audit

MAX_ACTOR = 200  # as the model has it
INDEX = "README"  # how to use the others; nothing to acknowledge
_TITLE = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    slug: str
    text: str
    sha256: str

    @property
    def title(self) -> str:
        found = _TITLE.search(self.text)
        return found[1] if found else self.slug


@dataclass(frozen=True, slots=True)
class Runbook:
    """A document and its latest acknowledgement: of what it is now where there is one (`current`), else of any text."""

    slug: str
    title: str
    sha256: str
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    current: bool

    @property
    def state(self) -> str:
        if self.current:
            return "acknowledged"
        return "changed since" if self.acknowledged_by else "never acknowledged"


def documents() -> list[Document]:
    """By slug. Raises `Refused` where there is none: a deployment without runbooks has none acknowledged."""
    directory = Path(settings.RUNBOOKS_DIRECTORY)
    found = [_read(path) for path in sorted(directory.glob("*.md")) if path.stem != INDEX]
    if not found:
        raise Refused("There are no runbooks here: this deployment lacks docs/runbooks.")
    return found


def document(slug: str) -> Document:
    for found in documents():
        if found.slug == slug:
            return found
    raise Refused(f"There is no runbook {slug!r}.")


def runbooks() -> list[Runbook]:
    found = documents()
    with all_tenants_scope():
        # Django's DISTINCT ON: the latest of each text.
        rows = Acknowledgement.objects.filter(document__in=[each.slug for each in found])
        latest = list(rows.order_by("document", "sha256", "-id").distinct("document", "sha256"))
    return [_runbook(each, latest) for each in found]


def unacknowledged() -> list[str]:
    """Slugs of what nobody has read as it is now."""
    return [each.slug for each in runbooks() if not each.current]


def history(slug: str, *, limit: int = 20) -> list[Acknowledgement]:
    """Acknowledgements of any text of a document, the latest first."""
    with all_tenants_scope():
        return list(Acknowledgement.objects.filter(document=slug).order_by("-id")[:limit])


def acknowledge(*, slug: str, sha256: str, actor: str) -> None:
    """`sha256` is of the text that `actor` has read; it is refused where the document is another one now."""
    if len(actor) > MAX_ACTOR:
        raise Refused(f"The name of who has read it is limited to {MAX_ACTOR} characters.")
    if document(slug).sha256 != sha256:
        raise Refused(f"The runbook {slug!r} has changed since you opened it. Read it again as it is now.")
    with all_tenants_scope(), transaction.atomic():
        Acknowledgement.objects.create(document=slug, sha256=sha256, actor=actor)
        audit(
            actor=actor,
            action="runbook.acknowledge",
            object_type="runbook",
            object_id=slug,
            data={"before": {}, "after": {"sha256": sha256}},
        )


def _read(path: Path) -> Document:
    content = path.read_bytes()
    return Document(path.stem, content.decode("utf-8"), hashlib.sha256(content).hexdigest())


def _runbook(found: Document, latest: Iterable[Acknowledgement]) -> Runbook:
    of_it = [row for row in latest if row.document == found.slug]
    row = max(of_it, key=lambda row: (row.sha256 == found.sha256, row.pk), default=None)
    return Runbook(
        slug=found.slug,
        title=found.title,
        sha256=found.sha256,
        acknowledged_by=row.actor if row else None,
        acknowledged_at=row.at if row else None,
        current=row is not None and row.sha256 == found.sha256,
    )
