"""How people read values; Django looks here by language (FORMAT_MODULE_PATH)."""
