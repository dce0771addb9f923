"""The operators' page of the gates. To open it is to run them, which may take a few seconds."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from apps.operations.gates import GATES, run_gate
from apps.operations.gates.evidence import release
from apps.operations.gates.report import GateReport

PERMISSION = "operations.view_evidence"


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
        "rows": [["ok" if check.ok else "NOT OK", check.name, check.evidence] for check in report.checks],
    }
