"""The command ``premir-scan``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from premir.scanner import __version__
from premir.scanner.errors import InputError, PremirError, describe
from premir.scanner.log import configure
from premir.scanner.model_store import DEFAULT_MODEL, find_model, list_models

_EXAMPLES = """\
examples:
  premir-scan genome.fa --out hits.bed
  premir-scan genome.fa.gz --out hits.bed.gz --min-prob 0.9 --threads 8
  premir-scan genome.fa --out chr2.bed --regions chr2:1-2000000
  premir-scan genome.fa --out hits.bed --ray-address auto
  premir-scan genome.fa --candidates candidates.bed
  premir-scan --hairpins sequences.fa --out scores.tsv

A scan that was interrupted goes on where it stopped when the same command runs again.
exit codes: 0 done, 1 failed (run again to resume), 2 wrong usage or input, 3 finished but some
tiles are missing, 4 the run directory belongs to another run, 130/143 interrupted
"""


class _Terminated(BaseException):
    """SIGTERM arrived."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``premir-scan``."""
    parser = argparse.ArgumentParser(
        prog="premir-scan",
        description="Find precursor microRNA hairpins in a genome.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("genome", nargs="?", type=Path, metavar="GENOME",
        help="FASTA: plain, gzip or bgzip")  # fmt: skip
    add = parser.add_argument_group("input and output").add_argument
    add("--hairpins", type=Path, metavar="FASTA", help="classify these sequences as they are")
    add("--out", type=Path, metavar="FILE", help="BED of hits (.gz: bgzipped and indexed), or TSV "
        "with --hairpins; - for stdout")  # fmt: skip
    add("--candidates", type=Path, metavar="BED", help="write all candidate intervals, scored by "
        "minus their stem energy in centibits; without --out the scan stops there")  # fmt: skip
    add("--summary", type=Path, metavar="JSON", help="default: OUT.summary.json")
    add("--regions", action="append", default=[], metavar="REGION",
        help="report only hits whose mid-point lies in CONTIG or CONTIG:START-END (1-based "
        "inclusive); may be repeated")  # fmt: skip

    add = parser.add_argument_group("model").add_argument
    add("--model", default=DEFAULT_MODEL, metavar="NAME|DIR", help="default: %(default)s")
    add("--list-models", action="store_true", help="list the models that premir ships, and exit")
    add("--min-prob", type=_probability, default=0.5, metavar="P",
        help="report hits of at least this probability; default: %(default)s")  # fmt: skip
    add("--no-decoys", action="store_true", help="do not scan decoys: q_value and fp_per_mb stay "
        "empty (always so in this version)")  # fmt: skip

    add = parser.add_argument_group("candidates").add_argument
    add("--extractor", choices=["stems", "windows"], default="stems", help="stems: "
        "best stem-loops; windows: 110 nt every 10 nt; default: %(default)s")  # fmt: skip
    add("--preset", choices=["animal", "plant", "virus"], default="animal", help="hairpins of what "
        "length and kind to look for; default: %(default)s")  # fmt: skip
    add("--max-span", type=_span, metavar="NT", help="longest hairpin; default: the preset's (160, "
        "300 or 120)")  # fmt: skip

    add = parser.add_argument_group("where and how it runs").add_argument
    add("--executor", choices=["local", "ray"], help="default: local, or ray where --ray-address "
        "or RAY_ADDRESS names a cluster")  # fmt: skip
    add("--ray-address", metavar="ADDRESS", help="Ray cluster to run on (auto: the one this "
        "machine belongs to)")  # fmt: skip
    add("--threads", type=_positive, default=_cpus(), metavar="N", help="default: all cores")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    add("--folder", choices=["kernel", "viennarna"], default="kernel", help="what folds "
        "candidates: the compiled kernel, whose hits ViennaRNA folds once more, or the ViennaRNA "
        "bindings alone; default: %(default)s")  # fmt: skip
    add("--tile-size", type=_positive, default=1_000_000, metavar="NT", help="nucleotides worked "
        "on at a time; no effect on results; default: %(default)s")  # fmt: skip
    add("--work-dir", type=Path, metavar="DIR", help="run directory; default: OUT.premir-work")
    add("--keep-work", action="store_true", help="keep the run directory with its shards")
    add("--log-file", type=Path, metavar="FILE", help="write all messages there too")
    add("-v", "--verbose", action="count", default=0, help="more messages")
    add("-q", "--quiet", action="count", default=0, help="warnings and errors only")
    add("--version", action="version", version=f"premir {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``premir-scan``; returns the exit code."""
    parser = build_parser()
    options = parser.parse_args(argv)
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        configure(
            "premir-scan",
            verbosity=options.verbose - options.quiet,
            log_file=options.log_file,
        )
        return _run(options)
    except PremirError as error:
        sys.stderr.write(f"premir-scan: error: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone, and wants no complaint
        return 1
    except OSError as error:  # a full disk, a file system that went away
        sys.stderr.write(f"premir-scan: error: {describe(error)}; run again to go on\n")
        return PremirError.exit_code
    except (KeyboardInterrupt, _Terminated) as stop:
        sys.stderr.write("premir-scan: interrupted; run the same command again to go on\n")
        return 143 if isinstance(stop, _Terminated) else 130
    finally:
        signal.signal(signal.SIGTERM, previous)


def _run(options: argparse.Namespace) -> int:
    if options.list_models:
        for spec in list_models():
            default = " (default)" if spec.name == DEFAULT_MODEL else ""
            sys.stdout.write(f"{spec.name}{default}\t{spec.description}\n")
        return 0
    if (options.genome is None) == (options.hairpins is None):
        raise InputError("give either a genome or --hairpins (see premir-scan --help)")
    model = find_model(options.model)
    if options.hairpins is not None:
        if options.out is None:
            raise InputError("--hairpins needs --out FILE (or --out - for stdout)")
        if options.candidates or options.regions or options.executor == "ray":
            raise InputError("--candidates, --regions and --executor ray go with a genome")
        from premir.scanner.classify import classify

        return classify(
            options.hairpins,
            options.out,
            model,
            folder_name=options.folder,
            threads=options.threads,
        )
    if options.out is None and options.candidates is None:
        raise InputError("give --out FILE (or --out - for stdout), --candidates, or both")
    if not options.genome.exists():
        raise InputError(f"{options.genome}: no such file")
    from premir.scanner.options import ScanOptions
    from premir.scanner.scan import scan

    address = options.ray_address or os.environ.get("RAY_ADDRESS")
    executor = options.executor or ("ray" if address else "local")
    return scan(
        ScanOptions(
            genome=options.genome,
            out=options.out,
            candidates=options.candidates,
            summary=options.summary or _beside(options.out),
            model=model,
            min_prob=options.min_prob,
            regions=options.regions,
            preset=options.preset,
            extractor=options.extractor,
            max_span=options.max_span,
            folder=options.folder,
            executor=executor,
            ray_address=address if executor == "ray" else None,
            threads=options.threads,
            device=options.device,
            tile_size=options.tile_size,
            work_dir=options.work_dir,
            keep_work=options.keep_work,
            quiet=options.quiet > 0,
        )
    )


def _beside(out: Path | None) -> Path | None:
    return None if out is None or str(out) == "-" else out.with_name(f"{out.name}.summary.json")


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return value


def _span(text: str) -> int:
    value = int(text)
    if not 40 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not between 40 and 1000 nt")
    return value


def _probability(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
