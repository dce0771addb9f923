"""Settings of the product: `base` is shared; `dev`, `test` and `prod` are what a process names.

Only this package reads the environment (through django-environ); everything else reads `django.conf.settings`.
"""
