"""The payloads and pages that people look at. No models: everything here is read from the apps below."""
