"""The logs as a file, sent while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from apps.dashboard import csv_rows
from apps.dashboard.api.filters import LOG_FILTERS
from apps.dashboard.api.log_lists import LogList, asked_logs
from apps.tenants.api.schema import ErrorShape
from apps.tenants.api.views import TenantView
from apps.tenants.context import tenant_scope

BATCH = 1000  # rows; what memory holds, whatever the file's length


class _CsvOrErrors(DefaultContentNegotiation):
    """The answer is CSV whatever the client accepts, and an error is JSON as everywhere."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ExecutionLogCsv(TenantView):
    content_negotiation_class = _CsvOrErrors

    @extend_schema(
        operation_id="execution_logs_csv",
        parameters=LOG_FILTERS,
        responses={
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "A header and a line for each log."),
            400: ErrorShape,
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """All that the filters of `execution-logs` select, newest first, as UTF-8 CSV.

        Cells that a spreadsheet would run as formulas begin with an apostrophe.
        """
        logs = asked_logs(request)
        body = iter(()) if request.method == "HEAD" else _lines(logs)
        return StreamingHttpResponse(
            body,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="execution-logs.csv"'},
        )


def _lines(logs: LogList) -> Iterator[str]:
    """A batch at a time: the body outlives the request's scope and transaction, and may be abandoned at any line.

    So each batch has a scope and a READ ONLY transaction of its own and leaves both before its lines are sent; a client
    that reads slowly holds nothing open.
    """
    yield csv_rows.header()
    after = None
    while True:
        with tenant_scope(logs.tenant), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
            rows = logs.rows.read(after=after, size=BATCH)
            text = csv_rows.lines(logs.shown(rows))
        if rows:
            after = tuple(getattr(rows[-1], column.lstrip("-")) for column in logs.rows.order)
            yield text
        if len(rows) < BATCH:
            return
