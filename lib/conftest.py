"""Doctests are collected from the library; the files that run in an engine's environment import what only that environment has."""

collect_ignore_glob = ["frontier/serving/inside/*"]
