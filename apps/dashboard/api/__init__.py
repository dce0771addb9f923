"""The HTTP face of what people look at: query strings in, payloads out. Nothing here writes."""
