"""Manifests of this node: read from texts, checked by their kind, kept by the registry, shown with what holds now.

Command line, API, files and cloud all go through `registry`; `kinds` is the list of what there is.
"""
