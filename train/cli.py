"""The command ``premir-train``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from premir.scanner.command import Parser, require_memory, run_command
from premir.scanner.completion import SHELLS, completion
from premir.scanner.cores import sleeping_threads, usable_threads
from premir.scanner.errors import InputError
from premir.train.commands.command import PROGRAM, add_common
from premir.train.commands.registry import COMMANDS
from premir.train.spellings import in_todays_words, is_old, note

_log = logging.getLogger(__name__)

_LOUDNESS = frozenset({"-v", "--verbose", "-q", "--quiet"})
"""Options of every command, which may stand before its name too."""
_EXAMPLES = """\
examples:
  premir-train paper crossspecies-new
      reproduce the paper's network for the data set 'new' (fetches the released data once)
  premir-train custom --positives mine.fa --negatives other.fa --out my-model
  premir-train evaluate do2018-crossspecies-new-variable crossspecies-new
  premir-train genome --data DATA --out my-genome-model
  premir-scan genome.fa --model my-model --out hits.bed

premir-train COMMAND --help explains each, with all its options. premir-train --protocol NAME is
another spelling of premir-train paper NAME.
A training that was interrupted goes on where it stopped when the same command runs again.
It never writes over a model of another training. Where loss or weights are not finite, or the
network calls everything alike and ranks no better than chance, no model is saved.
exit codes: 0 done, 1 failed or came to nothing (the message says whether to run again), 2 wrong
usage or input, 4 --out belongs to another training, 130/143 interrupted, 141 whoever read the
output has gone
"""


def build_parser() -> Parser:
    """Return the parser of ``premir-train`` without a sub-command."""
    listed = "\n".join(f"  {name:<12}{each.summary}" for name, each in COMMANDS.items())
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND ...",
        description="Train pre-miRNA networks, for genomes and as Do et al. (2018) do, and judge "
        "them.",
        epilog=f"commands:\n{listed}\n\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("command", nargs="?", choices=list(COMMANDS), metavar="COMMAND", help="one of those below")
    add("--print-completion", choices=SHELLS, metavar="SHELL", help="print what makes bash, zsh or "
        "tcsh complete commands, options and file names, and exit")  # fmt: skip
    add_common(parser)
    return parser


def whole_parser() -> Parser:
    """Return one parser of all sub-commands, for their completion and the manual."""
    parser = build_parser()
    words = next(action for action in parser._actions if action.dest == "command")
    parser._remove_action(words)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, each in COMMANDS.items():
        commands.add_parser(name, help=each.summary)
        commands.choices[name] = each.parser()
    return parser


def main(argv: Sequence[str] | None = None, *, moved_from: str = "") -> int:
    """Run ``premir-train``; returns the exit code.

    Args:
        argv: its arguments; those of this process where None.
        moved_from: how the command that ``argv`` begins with was spelled once.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    remark = note([moved_from], words) if moved_from else ""
    loud = next((n for n, word in enumerate(words) if word not in _LOUDNESS), 0)
    words = words[loud:] + words[:loud]
    if is_old(words) and words[0] not in COMMANDS:
        words, remark = in_todays_words(words)
    if not words or words[0] not in COMMANDS:
        return run_command(build_parser(), words, _refuse)
    command = COMMANDS[words[0]]

    def run(options: argparse.Namespace, given: frozenset[str]) -> int:
        if remark:
            _log.info("%s", remark)
        if command.computes:
            require_memory()
        if "threads" in options:
            options.threads = usable_threads(options.threads)
        with sleeping_threads():
            return command.run(options, given)

    return run_command(command.parser(), words[1:], run)


def moved(old: str, command: str) -> int:
    """Run a sub-command that was a program of its own once, and say how it is spelled today."""
    return main([command, *sys.argv[1:]], moved_from=f"python -m {old}")


def _refuse(options: argparse.Namespace, _given: frozenset[str]) -> int:
    if options.print_completion is not None:
        sys.stdout.write(completion(whole_parser(), options.print_completion))
        return 0
    raise InputError(f"give a command: {', '.join(COMMANDS)} (see {PROGRAM} --help)")


if __name__ == "__main__":
    sys.exit(main())
