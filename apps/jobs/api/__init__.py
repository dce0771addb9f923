"""The HTTP face of jobs: bodies in, payloads out; every decision is a service's."""
