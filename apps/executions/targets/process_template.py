"""The processes between a worker and a plain function. Linux alone has all that it takes.

    worker ──▶ template ──fork──▶ keeper, one for each place ──fork──▶ child, one for each call

The *template* has Django and every task loaded and then does nothing but fork, so that a child costs milliseconds. A
*keeper* watches one child at a time and afterwards kills whatever is left of it: it is the parent of all its orphans
(PR_SET_CHILD_SUBREAPER), so that not even a daemon gets away. Neither of them ever reads a request or runs a task;
what a call changes is in its child, and goes with it.

Sockets are leashes. Who is given one ends when the other side closes it, as the kernel does for a worker that is
SIGKILLed: a call's socket ends the call, a keeper's the keeper, the template's the template.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from apps.executions.targets import process_child

logger = logging.getLogger(__name__)
READY = b"r"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main(descriptor: int) -> None:
    """The template. Forks a keeper for each socket that comes; ends after all of them."""
    # A service manager's SIGTERM to everyone does not end work that the worker is still draining. Handlers rather
    # than SIG_IGN, which what a task starts would inherit.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    process_child.prepare()
    if threading.active_count() > 1:
        logger.warning(
            "a task's module starts threads when it is imported: they do not exist where tasks run"
        )
    gc.collect()
    gc.freeze()  # the children's collector leaves these pages shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers leave no zombies
    control = socket.socket(fileno=descriptor)
    with suppress(BrokenPipeError):  # the worker was killed meanwhile: nothing will come
        control.sendall(READY)
    for place in _received(control):
        if _fork() == 0:
            control.close()
            _keep(place)
        place.close()
    with suppress(ChildProcessError):
        os.wait()  # for all of them, as none is reported
    os._exit(0)


def _keep(place: socket.socket) -> None:
    """A keeper. Forks a child for each call's socket that comes, one after another."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()
    for call in _received(place):
        child = _fork()
        if child == 0:
            place.close()
            os.setpgid(0, 0)
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == keeper:
                process_child.serve(call)
            os._exit(0)
        if child > 0:
            _watch(child, call)
            _sweep(child)
        call.close()  # the worker sees the end of it when nothing is left that could hold the other copies
    os._exit(0)


def _watch(child: int, call: socket.socket) -> None:
    """Until the child ends or the worker lets go of the call."""
    with suppress(ProcessLookupError):  # it was faster
        os.setpgid(child, child)
    ended = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(call, select.POLLRDHUP)
        poll.poll()
    finally:
        os.close(ended)


def _sweep(child: int) -> None:
    """Kill the child, its group and all its descendants, and wait until they are gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    with suppress(ChildProcessError):  # none is left
        while True:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                for pid in _children(os.getpid()):
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
                os.waitpid(-1, 0)  # its own children become ours now


def _children(parent: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == parent:
                yield int(stat.parent.name)


def _received(control: socket.socket) -> Iterator[socket.socket]:
    """The sockets that come over this one, until its other side is closed."""
    while True:
        try:
            _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        except ConnectionError:
            return
        if not descriptors:
            return
        yield socket.socket(fileno=descriptors[0])


def _fork() -> int:
    """-1 when the machine has no room for another: the socket is closed, which says so."""
    try:
        return os.fork()
    except OSError:
        logger.exception("no process can be made for a task")
        return -1


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


_libc = ctypes.CDLL(None, use_errno=True)
