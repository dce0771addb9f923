"""The operators' page of the gates. To open it is to run them, which may take a few seconds."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.operations.gates import GATES, run_gate
from apps.operations.gates.evidence import release
from apps.operations.gates.report import GateReport

PERMISSION = "operations.view_evidence"
_OK = format_html('<span class="{}">{}</span>', "text-green-700 dark:text-green-400", "ok")
_NOT_OK = format_html(
    '<span class="{}">{}</span>', "font-semibold whitespace-nowrap text-red-600 dark:text-red-500", "NOT OK"
)


def gates_page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    if request.method not in ("GET", "HEAD"):
        raise Http404
    reports = [run_gate(gate) for gate in GATES]
    context = {
        **admin.site.each_context(request),
        "title": "Gates",
        "release": release(),
        "reports": [(report, _table(report)) for report in reports],
    }
    return TemplateResponse(request, "admin/gates.html", context)


def _table(report: GateReport) -> dict[str, Any]:
    return {
        "headers": ["", "Check", "Evidence"],
        "rows": [
            [_OK if check.ok else _NOT_OK, check.name, _with_commands(check.evidence)]
            for check in report.checks
        ],
    }


def _with_commands(evidence: str) -> SafeString:
    """What stands between backquotes as code, so that it can be copied."""
    parts = evidence.split("`")
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in enumerate(parts))
    )
