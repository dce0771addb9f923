"""Members and their keys: a viewer's place and key, for the owner's own are beyond admins."""

from tests.isolation.routes.route import ADMINS_ONLY, Route

_OTHERS = {**ADMINS_ONLY, "elsewhere": 404}
_MADE = {"owner": 201, "admin": 201, "elsewhere": 201, **ADMINS_ONLY}
_ROTATED = {"owner": 201, "admin": 201, **_OTHERS}

ROUTES: list[Route] = [
    Route("member-list", "GET", "members", **ADMINS_ONLY),
    Route("member-list", "POST", "members", body={"username": "invited-by-the-matrix"}, **_MADE),
    Route("invitation-list", "GET", "invitations", **ADMINS_ONLY),
    Route("invitation-list", "POST", "invitations", body={"email": "dan@example.com"}, **_MADE),
    Route("invitation-detail", "DELETE", "invitations/{invitation}", **_OTHERS),
    Route("member-detail", "GET", "members/{colleague}", **_OTHERS),
    Route("member-detail", "PATCH", "members/{colleague}", body={"role": "admin"}, **_OTHERS),
    Route("api-key-list", "GET", "api-keys", **ADMINS_ONLY),
    Route("api-key-list", "POST", "api-keys", body={"name": "made by the matrix"}, **_MADE),
    Route("api-key-detail", "GET", "api-keys/{colleagues_key}", **_OTHERS),
    Route("api-key-rotate", "POST", "api-keys/{colleagues_key}/rotate", body={}, **_ROTATED),
    Route("api-key-detail", "DELETE", "api-keys/{colleagues_key}", **_OTHERS),
    Route("member-detail", "DELETE", "members/{colleague}", **_OTHERS),
]
