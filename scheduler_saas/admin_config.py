"""Stands for `django.contrib.admin` in INSTALLED_APPS and makes the operators' site the default one."""

from django.contrib.admin.apps import AdminConfig


class OperatorsAdminConfig(AdminConfig):
    default_site = "scheduler_saas.admin.OperatorsSite"

    def ready(self) -> None:
        super().ready()
        from django.contrib import admin
        from django.contrib.auth.models import Group

        admin.site.unregister(Group)  # registered by Django, and used by nobody here
