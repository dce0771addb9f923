"""Who is in the demo: a plan, two tenants with their people and keys, and somebody on call."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.tenants import services
from apps.tenants.models import Role, Tenant, User
from apps.vault.services import tenant_endpoint_set

ACTOR = "demo"
# Accounts of a database that is thrown away, on loopback: so that they can be printed and typed.
PASSWORD = "demo-demo-demo"  # noqa: S105
ADMIN = "oncall"


@dataclass(frozen=True, slots=True)
class Person:
    """`key` is the text of an API key."""

    user_id: str
    role: str
    key: str = field(repr=False)
    legacy_user_id: int | None = None


@dataclass(frozen=True, slots=True)
class Company:
    tenant: Tenant
    secret: str = field(repr=False)
    people: list[Person]

    @property
    def name(self) -> str:
        return str(self.tenant.schema_name)

    def person(self, role: str) -> Person:
        return next(person for person in self.people if person.role == role)


#: Name, role and, for one of each tenant, the integer by which an older system knows them.
_PEOPLE: dict[str, list[tuple[str, Role, int | None]]] = {
    "acme": [
        ("alice", Role.OWNER, None),
        ("ann", Role.ADMIN, None),
        ("bob", Role.MEMBER, 1017),
        ("vic", Role.VIEWER, None),
    ],
    "bravo": [
        ("carla", Role.OWNER, None),
        ("cem", Role.ADMIN, None),
        ("charlie", Role.MEMBER, 1017),  # the same integer names somebody else in another tenant
        ("vera", Role.VIEWER, None),
    ],
}


def make_cast(*, receiver_port: int) -> list[Company]:
    """In an empty database; each tenant's endpoint is the receiver."""
    # The administrator signs in at the operators' host and belongs to no tenant.
    User.objects.create_superuser(ADMIN, f"{ADMIN}@example.com", PASSWORD)
    plan = services.plan_create(
        name="demo", max_jobs=10_000, min_interval_seconds=1, max_timeout_seconds=3600, allowed_tasks=["*"]
    )
    companies = []
    for name, people in _PEOPLE.items():
        tenant = services.tenant_create(schema_name=name, name=name.title(), plan=plan, actor=ACTOR)
        url = f"http://127.0.0.1:{receiver_port}/{name}"
        secret = tenant_endpoint_set(tenant=tenant, url=url, actor=ACTOR)
        members = [_person(tenant, *person) for person in people]
        companies.append(Company(tenant, secret, members))
    return companies


def _person(tenant: Tenant, username: str, role: Role, legacy_user_id: int | None) -> Person:
    membership = services.member_create(
        tenant=tenant,
        username=username,
        role=role.value,
        legacy_user_id=legacy_user_id,
        email=f"{username}@example.com",
        password=PASSWORD,
        actor=ACTOR,
    )
    _, key = services.api_key_create(membership=membership, name="demo", actor=ACTOR)
    return Person(username, role.value, key, legacy_user_id)
