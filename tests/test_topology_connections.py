"""Sessions: how many each process has, what happens when there is room for none, and when there is no server."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scheduler_saas.demo.sockets import listening
