"""A sleep that ends for the right reasons."""

import os
import threading
import time
from contextlib import closing

from apps.leadership.wakeup import Wakeup


def test_it_sleeps_to_the_end_when_nobody_wakes_it() -> None:
    wakeup = Wakeup()
    started = time.monotonic()
    assert wakeup.sleep(0.02) is False
    assert time.monotonic() - started >= 0.02


def test_another_thread_ends_it_and_it_stays_set_until_cleared() -> None:
    wakeup = Wakeup()
    thread = threading.Thread(target=wakeup.set)
    thread.start()
    assert wakeup.sleep(30) is True
    thread.join()
    wakeup.wait(30)
    wakeup.clear()
    assert not wakeup.is_set
    assert wakeup.sleep(0.001) is False


def test_a_readable_descriptor_ends_a_wait() -> None:
    reader, writer = os.pipe()
    with closing(os.fdopen(reader, "rb")), closing(os.fdopen(writer, "wb", buffering=0)) as pipe:
        pipe.write(b"!")
        started = time.monotonic()
        Wakeup().wait(30, reader)
        assert time.monotonic() - started < 10


def test_setting_it_more_often_than_its_pipe_holds_does_not_block() -> None:
    wakeup = Wakeup()
    for _ in range(100_000):
        wakeup.set()
    wakeup.clear()
    assert wakeup.sleep(0.001) is False
