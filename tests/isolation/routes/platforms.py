"""Connected platforms and their monitoring jobs."""

from tests.isolation.routes.route import Route

ROUTES: list[Route] = []
