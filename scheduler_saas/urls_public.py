"""What the operators' host answers."""

from django.urls import path
from django.views.generic import RedirectView

from scheduler_saas.admin import site

urlpatterns = [
    path("admin/", site.urls),
    path("", RedirectView.as_view(url="/admin/"), name="home"),
]
