"""The command line: parse, one call, print; one file per group of commands, loaded when it is used."""

from progstore.cli.group import main

__all__ = ["main"]
