"""Measurements on a database of their own, made on the configured server and dropped afterwards.

A figure means something beside another one from the same run: each is printed with what plain SQL does on the same
tables, with the same session settings, in the same minute.
"""
