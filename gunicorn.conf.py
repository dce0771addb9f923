"""The web server's defaults; gunicorn reads this file by itself, and its command line wins.

WEB_CONCURRENCY (processes) and WEB_THREADS size it. Each thread may hold one database connection.
"""

import os
import re
from typing import Any

from gunicorn.glogging import Logger

bind = "0.0.0.0:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "4"))
timeout = 30
graceful_timeout = 20
keepalive = 5
# A request line and its fields; a body's size is Django's (DATA_UPLOAD_MAX_MEMORY_SIZE).
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
# Heartbeat files on a disk can stall a worker that is fine.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
control_socket_disable = True  # signals do; the container's file system is read-only
accesslog = (
    None if os.environ.get("LOG_FORMAT") == "json" else "-"
)  # else each request is a JSON line of ours
_TOKEN = re.compile(r"(/(?:join|dashboard/new-password/[^/\s]+)/)[^/\s]+")


class TokenlessLogger(Logger):
    """Who reads the access log cannot take up an invitation or choose somebody's password."""

    def atoms(self, *args: Any) -> Any:
        found = super().atoms(*args)
        found["r"] = _TOKEN.sub(r"\1…", found["r"])
        return found


logger_class = TokenlessLogger
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(L)ss'
