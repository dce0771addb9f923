"""Signing in to a tenant and out of it, on the tenant's host. The session's cookie is this host's alone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from apps.dashboard.pages import frame
from apps.tenants import services
from apps.tenants.authentication import member_of_account
from apps.tenants.sign_in_names import BoundedName


class MemberSignInForm(BoundedName, AuthenticationForm):
    """One answer to a wrong password, an unknown account, and one that is no member here: a guess learns nothing."""

    error_messages = {
        "invalid_login": "No member here has this name and password. Both may be case-sensitive.",
        "inactive": "No member here has this name and password. Both may be case-sensitive.",
    }

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        request: Any = self.request
        if member_of_account(request.tenant, user) is None:
            # Counted as a failure, so that being locked out does not tell a right password from a wrong one.
            credentials = {"username": self.cleaned_data["username"]}
            user_login_failed.send(sender=type(self), credentials=credentials, request=request)
            raise self.get_invalid_login_error()


@method_decorator(never_cache, name="dispatch")
class SignIn(LoginView):
    template_name = "dashboard/sign_in.html"
    form_class = MemberSignInForm
    next_page = "dashboard-page"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return frame(self.request, **super().get_context_data(**kwargs))

    def form_valid(self, form: Any) -> HttpResponse:
        tenant: Any = self.request.tenant  # type: ignore[attr-defined]
        services.session_begun(tenant=tenant, account=form.get_user())
        return super().form_valid(form)

    def get_success_url(self) -> str:
        """Never this page itself, which sends on whoever is signed in."""
        url: str = super().get_success_url()
        return self.get_default_redirect_url() if url == self.request.path else url

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Whoever is a member and signed in already is sent on, without a loop for one who is no member."""
        account: Any = request.user
        signed_in = account.is_authenticated and account.is_active
        self.redirect_authenticated_user = bool(signed_in and member_of_account(request.tenant, account))  # type: ignore[attr-defined]
        return super().dispatch(request, *args, **kwargs)


class SignOut(LogoutView):
    """POST."""

    next_page = "sign-in"
