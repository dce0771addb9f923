"""Executions on request, and tasks that need somebody."""

from tests.isolation.routes.route import Route

ROUTES: list[Route] = []
