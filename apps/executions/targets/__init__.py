"""Targets: what an execution calls. Registered Python functions and signed HTTP requests, and nothing else.

- `registry` knows the functions by name; `runner.run_target` calls one; `outcome` turns what happens into a result.
- `http` sends requests, `ssrf` and `resolver` decide which addresses they may reach, `webhooks` signs them.
- `processes` runs plain functions, each call in a process that can be killed; `process_template` makes those, and
  `process_child` is what runs in them.

Nothing here reads or writes a model, holds a lease or knows of jobs: a worker hands in a context and stores the result.
"""
