"""The operators' pages of runbooks: which are read, and each to read and to acknowledge."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_http_methods, require_safe
from markdown_it import MarkdownIt

from apps.operations import runbooks
from apps.tenants.operators import actor_of, link
from apps.tenants.services import Refused

LOOK, ACKNOWLEDGE = "operations.view_acknowledgement", "operations.add_acknowledgement"
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(
    "table"
)  # HTML in a text is shown as it is written
_COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)
_BESIDE = re.compile(r"(?P<slug>\w+)\.md")
_COLOURS = {"acknowledged": "success", "changed since": "warning", "never acknowledged": "danger"}


@require_safe
def runbooks_page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(LOOK):
        raise PermissionDenied
    found: list[runbooks.Runbook] = []
    try:
        found = runbooks.runbooks()
    except Refused as error:
        messages.error(request, str(error))
    found.sort(key=lambda book: (book.current, book.slug))
    context = {
        **admin.site.each_context(request),
        "title": "Runbooks",
        "table": {
            "headers": ["Runbook", "Name", "State", "By", "At"],
            "rows": [_row(book) for book in found],
        },
        "left": sum(not book.current for book in found),
        "all": len(found),
    }
    return TemplateResponse(request, "admin/runbooks.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def runbook_page(request: HttpRequest, slug: str) -> HttpResponse:
    """POST says which text was read, by its hash."""
    if not request.user.has_perm(ACKNOWLEDGE if request.method == "POST" else LOOK):
        raise PermissionDenied
    try:
        document = runbooks.document(slug)
    except Refused as error:
        raise Http404(str(error)) from None
    if request.method == "POST":
        return _acknowledged(request, document)
    (book,) = [book for book in runbooks.runbooks() if book.slug == slug]
    context = {
        **admin.site.each_context(request),
        "title": document.title,
        "book": book,
        "sha256": document.sha256,
        "state": _state(book),
        "html": as_html(document.text),
        "may_acknowledge": request.user.has_perm(ACKNOWLEDGE),
        "history": {
            "headers": ["Who", "When", "Read"],
            "rows": [
                [
                    row.actor,
                    _plain(row.at),
                    "this text" if row.sha256 == document.sha256 else "an earlier text",
                ]
                for row in runbooks.history(slug)
            ],
        },
    }
    return TemplateResponse(request, "admin/runbook.html", context)


def as_html(text: str) -> SafeString:
    """Links to other runbooks lead to their pages. The first heading is left to the page's own."""
    tokens = _MARKDOWN.parse(_COMMENT.sub("", text))
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        tokens = tokens[3:]
    for token in (child for block in tokens for child in block.children or []):
        if token.type == "link_open" and (beside := _BESIDE.fullmatch(str(token.attrGet("href")))):
            token.attrSet("href", f"../{beside['slug']}/")
    html: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return mark_safe(html)  # noqa: S308 - HTML in the text is escaped


def _acknowledged(request: HttpRequest, document: runbooks.Document) -> HttpResponse:
    try:
        runbooks.acknowledge(
            slug=document.slug, sha256=request.POST.get("sha256", ""), actor=actor_of(request)
        )
    except Refused as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:runbook", args=[document.slug]))
    messages.success(request, f"You have acknowledged “{document.title}”.")
    return HttpResponseRedirect(reverse("admin:runbooks"))


def _row(book: runbooks.Runbook) -> list[Any]:
    title = link(reverse("admin:runbook", args=[book.slug]), book.title)
    at = _plain(book.acknowledged_at) if book.acknowledged_at else "-"
    return [title, book.slug, _state(book), book.acknowledged_by or "-", at]


def _state(book: runbooks.Runbook) -> SafeString:
    label = {"text": book.state, "variant": _COLOURS[book.state]}
    return mark_safe(render_to_string("unfold/helpers/label.html", label))  # noqa: S308 - made by the template


def _plain(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
