"""Targets: what an execution calls. Registered Python functions and signed HTTP requests, and nothing else.

- `registry` knows the functions by name; `runner.run_target` calls one; `outcome` turns what happens into a result.
- `http` sends requests, `ssrf` and `resolver` decide which addresses they may reach, `webhooks` signs them.
- `processes` runs plain functions in processes that can be killed; `process_child` is the other end.

Nothing here reads or writes a model, holds a lease or knows of jobs: a worker hands in a context and stores the result.
"""
