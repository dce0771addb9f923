from django.apps import AppConfig


class LeadershipConfig(AppConfig):
    name = "apps.leadership"
    label = "leadership"
    verbose_name = "Leadership"
