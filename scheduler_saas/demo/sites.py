"""The demo's two web servers, the product's and the receiver, and how to reach them."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType

from scheduler_saas.demo.cast import ADMIN, PASSWORD, Company
from scheduler_saas.demo.children import Children
from scheduler_saas.demo.sockets import listen, port_of


class Sites:
    """Holds both listening sockets until the processes have inherited them; the web's may go unused."""

    def __init__(self, *, port: int = 0) -> None:
        self._web, self._receiver = listen(port), listen()
        self._web_started = False
        self.web_port, self.receiver_port = port_of(self._web), port_of(self._receiver)

    def __enter__(self) -> Sites:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._web.close()
        self._receiver.close()

    def start_web(self, children: Children) -> None:
        fd = self._handed_over(self._web)
        arguments = ["-m", "gunicorn", "--bind", f"fd://{fd}", "scheduler_saas.wsgi:application"]
        children.start("web", arguments, pass_fds=[fd])
        self._web_started = True
        self._web.close()

    def start_receiver(self, children: Children, secrets: Mapping[str, str], record: Path) -> None:
        record.unlink(missing_ok=True)
        fd = self._handed_over(self._receiver)
        # Through stdin: an environment or a command line can be read by others.
        asked = json.dumps({"fd": fd, "record": str(record), "secrets": dict(secrets)}) + "\n"
        children.start(
            "receiver", ["-m", "scheduler_saas.demo.receiver"], stdin=asked.encode(), pass_fds=[fd]
        )
        self._receiver.close()

    def answer(self) -> bool:
        """Whether what was started is served. A handed-over socket accepts connections before its server reads them."""
        web = not self._web_started or _status(self.web_port, "/healthz") == 200
        return web and _status(self.receiver_port, "/nobody") == 404

    def addresses(self, companies: Sequence[Company]) -> list[str]:
        """For people: where to look, as whom, and a line to paste."""
        lines = [f"Admin    http://localhost:{self.web_port}/admin/   {ADMIN} / {PASSWORD}"]
        for company in companies:
            root, owner = f"http://{company.name}.localhost:{self.web_port}", company.person("owner")
            lines.append(f"{company.name:8} {root}/dashboard/   {owner.user_id} / {PASSWORD}")
            lines.append(f"{'':8} {root}/api/scheduler/")
            for person in company.people:
                legacy = f" (formerly {person.legacy_user_id})" if person.legacy_user_id else ""
                lines.append(f"  {person.user_id + legacy:24} {person.role:8} {person.key}")
        first = companies[0]
        api = f"http://{first.name}.localhost:{self.web_port}/api/scheduler"
        key = first.person("owner").key
        lines.append(f'Try      curl -s -H "Authorization: Bearer {key}" "{api}/execution-logs?limit=3"')
        return lines

    @staticmethod
    def _handed_over(listening: socket.socket) -> int:
        listening.set_inheritable(True)
        return listening.fileno()


def _status(port: int, path: str) -> int | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
