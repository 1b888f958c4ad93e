"""Completion of command lines by a shell."""

from __future__ import annotations

import argparse

from premir.scanner.option_types import file_path, path

SHELLS = ("bash", "zsh", "tcsh")


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return what makes a shell complete options, their choices and file names.

    Args:
        parser: of the command, with its sub-commands.
        shell: one of ``SHELLS``.
    """
    import shtab

    for each in _parsers(parser):
        for action in each._actions:
            if action.type in (path, file_path):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    text: str = shtab.complete(parser, shell)
    return text if text.endswith("\n") else f"{text}\n"


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += action.choices.values()
    return found
