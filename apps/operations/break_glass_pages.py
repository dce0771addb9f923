"""The operators' page behind the glass, and the way to put it back.

A GET shows the form or the button, and never content: what is read is asked for by POST, as it leaves a record.
"""

from __future__ import annotations

import json
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.operations import break_glass
from apps.tenants.models import User
from apps.tenants.operators import ReasonForm, actor_of, row_page
from apps.tenants.services import Refused

PERMISSION = "operations.add_breakglass"


def break_glass_page(model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str) -> HttpResponse:
    """POST with a `reason` opens access, POST with `read` shows what this execution was given and what it returned."""
    execution = model_admin.get_object(request, object_id)
    if execution is None:
        raise Http404
    account, actor = cast(User, request.user), actor_of(request)
    form, disclosed = ReasonForm(request.POST if "reason" in request.POST else None), None
    if request.method == "POST":
        try:
            if "read" in request.POST:
                disclosed = break_glass.disclose(execution=execution, account=account, actor=actor)
            elif form.is_valid():
                break_glass.break_glass(
                    tenant=execution.tenant,
                    account=account,
                    execution_id=execution.pk,
                    reason=form.cleaned_data["reason"],
                    actor=actor,
                )
                return HttpResponseRedirect(request.path)
        except Refused as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.model._meta,
        "title": f"Break glass: execution {execution.pk}",
        "execution": execution,
        "back": row_page(execution),
        "form": form,
        "minutes": settings.BREAK_GLASS_MINUTES,
        "access": break_glass.open_access(account).filter(tenant_id=execution.tenant_id).first(),
        "shown": disclosed and _sections(disclosed),
    }
    return TemplateResponse(request, "admin/break_glass.html", context)


def _sections(disclosed: break_glass.Disclosed) -> list[tuple[str, str]]:
    payload = f"Payload (version {disclosed.version})" if disclosed.version else "Payload"
    return [
        ("Result", _text(disclosed.result)),
        ("Error", disclosed.error_text or ""),
        (payload, _text(disclosed.payload)),
    ]


def _text(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


@require_POST
def end_page(request: HttpRequest, access_id: int) -> HttpResponse:
    """One's own alone, so it needs no permission."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    ended = break_glass.break_glass_end(access_id=access_id, account=request.user, actor=actor_of(request))
    if ended is not None:
        messages.success(request, f"Your access to {ended.tenant} has ended.")
    return HttpResponseRedirect(reverse("admin:index"))
