"""Which row a sealed value belongs to: the label goes into the ciphertext, so that it opens nowhere else."""


def content_label(job_id: int, version: int) -> str:
    return f"content:{job_id}:{version}"


def secret_label(name: str) -> str:
    return f"secret:{name}"


def endpoint_label(name: str) -> str:
    return f"endpoint:{name}"


def connection_label(connection_id: int) -> str:
    """By its number: a connection's user id may change its form."""
    return f"connection:{connection_id}"


def channel_label(channel_id: int) -> str:
    return f"channel:{channel_id}"
