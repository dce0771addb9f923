"""How viewsets get their URLs."""

from rest_framework.routers import SimpleRouter


class Router(SimpleRouter):
    """The library's names and methods, each URL with or without a trailing slash; reversed, without."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"  # the constructor knows only all or nothing
