"""A new password: for who knows the old one, and for who reads the mail of a member's address."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, update_session_auth_hash
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.views import PasswordResetConfirmView, PasswordResetView
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from apps.dashboard.pages import PAGES, DashboardPage, frame
from apps.tenants import services
from apps.tenants.authentication import Member
from apps.tenants.models import Tenant, User

# Mail goes out beside the request: a mail server takes its time, which would tell who is a member. A failure is logged.
POST_OFFICE = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password-mail")


class ForgottenPasswordForm(PasswordResetForm):
    """Mails a link to members of this tenant alone, not twice within minutes; the page says the same to everybody."""

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tenant = tenant

    def get_users(self, email: str) -> Iterable[Any]:
        return [
            user
            for user in super().get_users(email)
            if services.password_reset_begin(tenant=self.tenant, account=user)
        ]

    def send_mail(self, *args: Any, **kwargs: Any) -> None:
        POST_OFFICE.submit(super().send_mail, *args, **kwargs)


@method_decorator(never_cache, name="dispatch")
class ForgottenPassword(PasswordResetView):
    """POST an address; what follows does not tell whether it is known."""

    template_name = "dashboard/forgotten_password.html"
    email_template_name = "dashboard/mail/new_password.txt"
    subject_template_name = "dashboard/mail/new_password_subject.txt"
    form_class = ForgottenPasswordForm
    from_email = settings.DEFAULT_FROM_EMAIL
    success_url = "."  # never followed: the answer is a page

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "tenant": self.request.tenant}  # type: ignore[attr-defined]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return frame(self.request, **super().get_context_data(**kwargs))

    def form_valid(self, form: Any) -> HttpResponse:
        self.extra_email_context = {"tenant": self.request.tenant}  # type: ignore[attr-defined]
        super().form_valid(form)
        return self.render_to_response(self.get_context_data(form=form, sent=True))


@method_decorator(never_cache, name="dispatch")
class NewPassword(PasswordResetConfirmView):
    """The page behind a mailed link; it works once, for PASSWORD_RESET_TIMEOUT seconds, for members of this tenant."""

    template_name = "dashboard/new_password.html"
    form_class: Any = SetPasswordForm

    def get_user(self, uidb64: str) -> User | None:
        """As it was mailed, the link is one of this tenant's: elsewhere it would leave its mark on another's trail."""
        user: User | None = super().get_user(uidb64)
        tenant: Any = self.request.tenant  # type: ignore[attr-defined]
        return user if user is not None and services.may_reset_password(tenant=tenant, account=user) else None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return frame(self.request, **super().get_context_data(**kwargs))

    def get_success_url(self) -> str:
        return reverse("sign-in")

    def form_valid(self, form: Any) -> HttpResponse:
        tenant: Any = self.request.tenant  # type: ignore[attr-defined]
        with transaction.atomic():
            answer = super().form_valid(form)
            services.password_changed(tenant=tenant, account=form.user, how="mailed link")
        messages.success(self.request, "The new password is set. Sign in with it.")
        return answer


class OwnPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """With the old password first. It is tried as in signing in, so that who found a session open cannot try many."""

    old_password = forms.CharField(strip=False, widget=forms.PasswordInput)
    field_order = ("old_password", "new_password1", "new_password2")

    def __init__(self, request: Any, data: Any = None) -> None:
        super().__init__(request.user, data)
        self.request = request

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.get_username(), password=old) != self.user:
            raise forms.ValidationError("This is not the password that you have now.")
        return old


@method_decorator(sensitive_post_parameters(), name="dispatch")
class AccountPage(DashboardPage):
    """Who is signed in, and their password. A new one ends the account's other sessions."""

    page = PAGES["account"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        return self.answer(request, {}, request.POST)

    def more(self, request: Any, member: Member, given: Any) -> dict[str, Any]:
        form = OwnPasswordForm(request, given)
        if given is None or not form.is_valid():
            return {"form": form, "changed": False}
        with transaction.atomic():
            form.save()
            services.password_changed(tenant=member.tenant, account=request.user, how="old password")
        update_session_auth_hash(request, request.user)
        return {"form": OwnPasswordForm(request), "changed": True}
