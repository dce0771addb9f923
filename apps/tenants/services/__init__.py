"""Making and changing tenants, members and keys. Each of these leaves an audit entry in the same transaction.

`authority` says how far somebody may go who is a member themselves; operators and commands go without.
"""

from apps.tenants.services.customers import plan_create, tenant_create
from apps.tenants.services.invitations import (
    invitation_accept,
    invitation_create,
    invitation_open,
    invitation_revoke,
)
from apps.tenants.services.keys import api_key_create, api_key_revoke, api_key_rotate
from apps.tenants.services.members import member_create, member_remove, member_role_set
from apps.tenants.services.passwords import (
    may_reset_password,
    password_changed,
    password_reset_begin,
    session_begun,
)
from apps.tenants.services.trail import NotAllowed, NotAsItIs, Refused, audit

__all__ = [
    "NotAllowed",
    "NotAsItIs",
    "Refused",
    "api_key_create",
    "api_key_revoke",
    "api_key_rotate",
    "audit",
    "invitation_accept",
    "invitation_create",
    "invitation_open",
    "invitation_revoke",
    "may_reset_password",
    "member_create",
    "member_remove",
    "member_role_set",
    "password_changed",
    "password_reset_begin",
    "plan_create",
    "session_begun",
    "tenant_create",
]
