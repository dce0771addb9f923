"""Static files of a release: hashed, compressed, and modules that import each other by their hashed names."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ReleaseStorage(CompressedManifestStaticFilesStorage):
    support_js_module_import_aggregation = True
