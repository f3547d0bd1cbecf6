"""Adapters: ways in for code that reports its progress to something else already; one file each."""
