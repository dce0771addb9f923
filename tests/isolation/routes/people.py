"""Members and their keys."""

from tests.isolation.routes.route import Route

ROUTES: list[Route] = []
