"""The registered Python functions. A name is looked up here or refused; no text from a tenant is ever imported."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from django.conf import settings
from django.utils.module_loading import autodiscover_modules
from rest_framework import serializers

Function = TypeVar("Function", bound=Callable[..., Any])
EVERYTHING = "*"
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,99}")


class UnknownTask(LookupError):
    """No task of that name is registered."""


class DuplicateTaskError(ValueError):
    """Two functions want the same name."""


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """One registered function. `path` is `module:function`, which a pool's process imports.

    `public` tasks may be used by every tenant; the others only by a tenant whose allow-list names them.
    """

    name: str
    function: Callable[..., Any]
    is_async: bool
    params: type[serializers.Serializer[Any]] | None
    title: str
    category: str
    path: str
    public: bool


_tasks: dict[str, TaskDefinition] = {}


def task(
    name: str,
    *,
    params: type[serializers.Serializer[Any]] | None = None,
    title: str = "",
    category: str = "",
    public: bool = False,
) -> Callable[[Function], Function]:
    """Register a function under `name` and return it unchanged.

    `async def f(params, context, resources)` runs in the worker's event loop and must not block it;
    `def f(params, context)` runs in a process that is killed on timeout, and so must sit at a module's top level.
    Raises DuplicateTaskError, or ValueError for a bad name or a function that no other process could import.
    """

    def register(function: Function) -> Function:
        is_async = inspect.iscoroutinefunction(function)
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no task name: lower-case letters, digits, '_', '.' and '-' only")
        if name in _tasks:
            raise DuplicateTaskError(f"the task {name!r} is registered already, by {_tasks[name].path}")
        if not is_async and "<" in function.__qualname__:
            raise ValueError(
                f"{function.__qualname__} runs in a process of its own, which could not import it"
            )
        _tasks[name] = TaskDefinition(
            name=name,
            function=function,
            is_async=is_async,
            params=params,
            title=title or name,
            category=category,
            path=f"{function.__module__}:{function.__qualname__}",
            public=public,
        )
        return function

    return register


def get(name: str) -> TaskDefinition:
    """Raises UnknownTask."""
    try:
        return _tasks[name]
    except KeyError:
        raise UnknownTask(f"no task is called {name!r}") from None


def registered_names() -> list[str]:
    return sorted(_tasks)


def autodiscover() -> None:
    """Import the `tasks` module of every installed app and those of TASK_MODULES, which registers what they declare."""
    autodiscover_modules("tasks")
    for module in getattr(settings, "TASK_MODULES", ()):
        import_module(module)


def is_allowed(name: str, allowed: Sequence[str] | None) -> bool:
    """Whether a tenant with this allow-list may use the task. None or empty: public tasks; '*': all of them."""
    if name not in _tasks:
        return False
    if not allowed:
        return _tasks[name].public
    return EVERYTHING in allowed or name in allowed


def validate_params(name: str, params: Any) -> dict[str, Any]:
    """The parameters as the task's serializer makes them, or as given where it declares none.

    Raises UnknownTask, and DRF's ValidationError by field; a parameter that no field takes is an error too, because
    a misspelt option that is silently ignored is found out only by its effect.
    """
    definition = get(name)
    if not isinstance(params, Mapping):
        raise serializers.ValidationError({"params": ["Must be an object."]})
    if definition.params is None:
        return dict(params)
    serializer = _serializer(definition.params)
    unknown = sorted(str(key) for key in params if key not in serializer.fields)
    if unknown:
        raise serializers.ValidationError({key: ["No such parameter."] for key in unknown})
    return dict(serializer.run_validation(dict(params)))


@cache
def _serializer(params: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """One for all: making its fields costs more than an HTTP request does, and validating leaves nothing in them."""
    return params()
