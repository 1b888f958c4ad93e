"""Many genomes, one engine: a file of hits and a summary for each, and a table of how it went."""

from __future__ import annotations

import json
import logging
import stat
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from premir.scanner.belonging import Own, own_of
from premir.scanner.errors import (
    ClusterError,
    InputError,
    NodeError,
    PremirError,
    StoppedError,
    ends_run,
    printable,
)
from premir.scanner.files import sha256, write_json
from premir.scanner.genome.letters import Genome, read_contigs
from premir.scanner.genome.list import Entry
from premir.scanner.options import ScanOptions
from premir.scanner.outputs import Named, check_writable, indices, writing
from premir.scanner.preparing import make_job, run_directory_path, settings
from premir.scanner.report import multiqc
from premir.scanner.report.summary import Summary
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.run.session import Session, open_session
from premir.scanner.scanning import scan
from premir.scanner.streams import is_stream

_log = logging.getLogger(__name__)

_AT_ONCE = 8
"""Genomes worked on at the same time: small ones by themselves do not keep a cluster busy."""
_RECORDS = ".premir"
_TABLE = "genomes.tsv"
_COLUMNS = ("name", "path", "preset", "status", "megabases", "hits", "seconds", "message")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one genome.

    Attributes:
        entry: the genome.
        status: ``done``, ``unchanged`` (finished by an earlier run), ``incomplete`` (tiles are
            missing), ``failed`` or ``not reached``.
        megabases: its length, None where unknown.
        hits: how many were written, None where unknown.
        seconds: how long it took.
        message: why it is not done.
    """

    entry: Entry
    status: str
    megabases: float | None = None
    hits: int | None = None
    seconds: float = 0.0
    message: str = ""


Shapes: TypeAlias = Mapping[str, ScanOptions]
"""How genomes of each preset are scanned; genome, what belongs to it, outputs and summary are set
for each.

A section for MultiQC is of all of them; the name of a report is what the names of all end in."""


def scan_many(
    entries: Sequence[Entry], shapes: Shapes, folder: Path, suffixes: Sequence[str]
) -> int:
    """Scan genomes with the same workers; one that fails does not stop the others.

    Args:
        entries: the genomes.
        shapes: how, by preset.
        folder: gets ``NAME.bed`` (or other suffixes), ``NAME.bed.summary.json``, a report where one
            is asked for, and ``genomes.tsv``; made where it is missing.
        suffixes: of the files of hits; the summary is named after the first.

    Returns:
        Exit code: 0, or 3 where genomes failed or tiles are missing.

    Raises:
        PremirError: something that would stop every genome.
        OSError: the disk is full or cannot be written.
    """
    started = time.monotonic()
    try:
        (folder / _RECORDS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    check_writable(folder / _TABLE)
    if (section := _multiqc(shapes)) is not None:
        check_writable(section)
    for entry in entries:
        if not entry.path.exists():
            _log.warning("%s: %s: no such file; going on with the others", entry.source, entry.path)
    owned = own_of(entries, next(iter(shapes.values())).search)
    outcomes = {entry.name: Outcome(entry, "not reached") for entry in entries}
    try:
        _scan_all(entries, shapes, owned, folder, suffixes, outcomes)
    finally:
        _write_table(folder / _TABLE, list(outcomes.values()))
    if (section := _multiqc(shapes)) is not None:
        _write_section(section, list(outcomes.values()), shapes, folder, suffixes)
    return _close(list(outcomes.values()), folder, time.monotonic() - started)


def _scan_all(
    entries: Sequence[Entry],
    shapes: Shapes,
    owned: Mapping[str, Own],
    folder: Path,
    suffixes: Sequence[str],
    outcomes: dict[str, Outcome],
) -> None:
    """Fill in the outcomes; those finished by an earlier run need no workers."""
    missing: dict[str, list[_Record]] = {}
    kinds: dict[tuple[str, bool, tuple[str, ...]], dict[str, Any]] = {}
    digests = {path: sha256(path) for each in owned.values() for path in each.reads}
    for entry in entries:
        own = _options_for(entry, shapes, folder, suffixes)
        own = replace(own, search=owned[entry.name].narrowed(own.search))
        reads = own.search.reads
        kind = entry.preset, bool(reads), tuple(own.search.circular)
        if kind not in kinds:
            job = make_job(own, RunDirectory(folder))
            kinds[kind] = {
                **settings(own, job),
                "scores": job.score_key,
                "limits": dict(own.search.limits),
                "strand": own.search.strand,
                "features": [each.identity() for each in (*own.search.exclude, *own.search.mark)],
                "sort": own.outputs.sort,
                "decoys": own.search.decoys,
            }
        told = {"reads": [digests[path] for path in reads]} if reads else {}
        record = _Record(entry, own, folder, {**kinds[kind], **told})
        if own.execution.resume != "never" and (before := record.finished()) is not None:
            outcomes[entry.name] = Outcome(entry, "unchanged", before["megabases"], before["hits"])
        else:
            model = own.search.model
            missing.setdefault(model.key if model is not None else "", []).append(record)
    for records in missing.values():
        _scan_records(records, folder, outcomes)


def _scan_records(records: Sequence[_Record], folder: Path, outcomes: dict[str, Outcome]) -> None:
    """Scan genomes of one model with the same workers."""
    options = records[0].options
    with open_session(options.search, options.execution) as session:
        assert session.executor is not None
        session.executor.check(folder)
        at_once = min(_AT_ONCE, max(2, session.executor.window // 2), len(records))
        with ThreadPoolExecutor(at_once, thread_name_prefix="genome") as pool:
            running = [pool.submit(_scan_one, record, session) for record in records]
            try:
                for future in as_completed(running):
                    outcome = future.result()
                    outcomes[outcome.entry.name] = outcome
                    _say(outcome)
            finally:
                session.stopping.set()
                _drop(running)


def _drop(running: Sequence[Future[Outcome]]) -> None:
    for future in running:
        future.cancel()


def _scan_one(record: _Record, session: Session) -> Outcome:
    """Scan one genome, and turn what is wrong with it alone into an outcome."""
    entry, started = record.entry, time.monotonic()
    try:
        session.check_stop()
        before = record.source()
        code = scan(record.options, session)
        assert record.options.outputs.summary is not None
        summary = json.loads(record.options.outputs.summary.read_text(encoding="utf-8"))
        megabases, hits = summary["megabases"], summary["hits"]
        seconds = time.monotonic() - started
        if code != 0:
            message = f"{summary['tiles_quarantined']} tiles are missing"
            return Outcome(entry, "incomplete", megabases, hits, seconds, message)
        if record.source() != before:
            _log.warning(
                "%s: %s changed while it was scanned; run the same command again",
                entry.name, entry.path,
            )  # fmt: skip
        record.write(before, summary)
        return Outcome(entry, "done", megabases, hits, seconds)
    except (ClusterError, NodeError, StoppedError):
        raise
    except PremirError as error:
        return Outcome(
            entry, "failed", seconds=time.monotonic() - started, message="; ".join(error.lines)
        )
    except Exception as error:
        if ends_run(error) or isinstance(error, OSError):
            raise
        _log.debug("%s: unexpected error", entry.name, exc_info=True)
        message = f"unexpected {type(error).__name__}: {error}"
        return Outcome(entry, "failed", seconds=time.monotonic() - started, message=message)


def files_of(
    entries: Sequence[Entry], shapes: Shapes, folder: Path, suffixes: Sequence[str]
) -> tuple[list[Named], list[Named]]:
    """Return all outputs and all run directories of :func:`scan_many`, for the check of names."""
    outputs: list[Named] = [("the table of --out-dir", folder / _TABLE)]
    report = next(iter(shapes.values())).outputs.report
    if report is not None and (report.name != str(report) or is_stream(report)):
        raise InputError(
            f"--report {report}: with --out-dir this is what the names of all reports end in, "
            "without a folder: --report report.html"
        )
    if (section := _multiqc(shapes)) is not None:
        multiqc.check_name(section)
        outputs.append(("--multiqc", section))
    places: list[Named] = []
    for entry in entries:
        own = _options_for(entry, shapes, folder, suffixes)
        out, summary = own.outputs.out, own.outputs.summary
        assert summary is not None
        outputs += [
            (f"--out-dir ({entry.name})", path)
            for path in (*out, *chain(*map(indices, out)), summary, _record(folder, entry))
        ]
        if own.outputs.report is not None:
            outputs.append((f"--report ({entry.name})", own.outputs.report))
        if (work := run_directory_path(own)) is not None:
            places.append((f"the run directory of {entry.name}", work))
    return outputs, places


def _options_for(
    entry: Entry, shapes: Shapes, folder: Path, suffixes: Sequence[str]
) -> ScanOptions:
    options = shapes[entry.preset]
    report = options.outputs.report
    out = [folder / f"{entry.name}{suffix}" for suffix in suffixes]
    summary = folder / f"{out[0].name}.summary.json"
    return replace(
        options,
        search=replace(options.search, genome=entry.path, preset=entry.preset),
        outputs=replace(
            options.outputs,
            out=out,
            summary=summary,
            report=folder / f"{entry.name}.{report.name}" if report is not None else None,
            multiqc=None,
        ),
    )


def _multiqc(shapes: Shapes) -> Path | None:
    """Return where the section of all genomes goes."""
    return next(iter(shapes.values())).outputs.multiqc


def _write_section(
    path: Path, outcomes: Sequence[Outcome], shapes: Shapes, folder: Path, suffixes: Sequence[str]
) -> None:
    """Write the section of all genomes that were scanned, by this run or an earlier one."""
    summaries: dict[str, Summary] = {}
    for outcome in outcomes:
        summary = _options_for(outcome.entry, shapes, folder, suffixes).outputs.summary
        if summary is not None and outcome.hits is not None:
            told: Summary = json.loads(summary.read_text(encoding="utf-8"))
            summaries[outcome.entry.name] = told
    with writing(path) as handle:
        handle.write(multiqc.section(summaries))


def _record(folder: Path, entry: Entry) -> Path:
    return folder / _RECORDS / f"{entry.name}.json"


class _Record:
    """The proof that a genome is finished: what was scanned, how, and what came out.

    Attributes:
        entry: the genome.
        options: of its scan.
    """

    def __init__(
        self, entry: Entry, options: ScanOptions, folder: Path, depends_on: dict[str, Any]
    ) -> None:
        self.entry, self.options = entry, options
        self._path = _record(folder, entry)
        self._settings = json.loads(json.dumps(depends_on))

    def source(self) -> dict[str, Any]:
        """Return what the FASTA file is like now, for a quick comparison."""
        try:
            status = self.options.search.genome.stat()
        except OSError as error:
            raise InputError(f"{self.options.search.genome}: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode):
            return {}
        return {
            "bytes": status.st_size,
            "modified": status.st_mtime_ns,
            "changed": status.st_ctime_ns,
        }

    def finished(self) -> dict[str, Any] | None:
        """Return the record if genome, settings and output are those that it speaks of.

        A file that looks different counts as the same if it holds the same sequences.
        """
        try:
            record: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
            if record["settings"] != self._settings or record["output"] != self._output():
                return None
            source = self.source()
            if not source:  # a pipe, which may bring something else each time
                return None
            if record["source"] != source:
                if record["genome_sha256"] != _digest(self.options.search.genome):
                    return None
                write_json(self._path, {**record, "source": source})
            return record
        except (OSError, ValueError, LookupError, TypeError, InputError):
            return None

    def write(self, source: dict[str, Any], summary: dict[str, Any]) -> None:
        """Note that the genome is finished.

        Args:
            source: what the file was like before the scan: one that has changed since is read again
                by the next run, and scanned again if it does not hold what was scanned.
            summary: of the scan, with the digest of what was scanned.
        """
        record = {
            "name": self.entry.name,
            "source": source,
            "genome_sha256": summary["genome_sha256"],
            "settings": self._settings,
            "output": self._output(),
            "megabases": summary["megabases"],
            "hits": summary["hits"],
        }
        write_json(self._path, record)

    def _output(self) -> dict[str, str]:
        outputs = self.options.outputs
        assert outputs.summary is not None
        outputs.summary.stat()
        report = [outputs.report] if outputs.report is not None else []
        return {out.name: sha256(out) for out in (*outputs.out, *report)}


def _digest(genome: Path) -> str:
    """Return the digest of the sequences that a FASTA file holds now."""
    return Genome(genome, genome, read_contigs(genome, lambda _: None)).digest()


def _say(outcome: Outcome) -> None:
    name = outcome.entry.name
    if outcome.status == "done":
        _log.info(
            "%s: %d hits in %.3f Mb, %.1f s",
            name, outcome.hits, outcome.megabases, outcome.seconds,
        )  # fmt: skip
    else:
        _log.error("%s: %s: %s", name, outcome.status, outcome.message)


def _write_table(path: Path, outcomes: Sequence[Outcome]) -> None:
    with writing(path) as handle:
        handle.write("\t".join(_COLUMNS) + "\n")
        for outcome in outcomes:
            entry = outcome.entry
            values = (
                entry.name, entry.path, entry.preset, outcome.status,
                _number(outcome.megabases), _number(outcome.hits), f"{outcome.seconds:.2f}",
                " ".join(outcome.message.split()),
            )  # fmt: skip
            handle.write("\t".join(printable(str(value)) for value in values) + "\n")


def _number(value: float | None) -> str:
    return "." if value is None else f"{value:g}" if isinstance(value, int) else f"{value:.6f}"


def _close(outcomes: Sequence[Outcome], folder: Path, seconds: float) -> int:
    """Say how it went; the genomes that are not done come last, with reasons."""
    count = Counter(outcome.status for outcome in outcomes)
    _log.info(
        "%d genomes in %.1f s: %s (%s)",
        len(outcomes), seconds,
        ", ".join(f"{number} {status}" for status, number in count.items()), folder / _TABLE,
    )  # fmt: skip
    bad = [outcome for outcome in outcomes if outcome.status not in ("done", "unchanged")]
    if not bad:
        return 0
    _log.error("not done, tried again when the same command runs again:")
    for outcome in bad:
        _log.error("  %s: %s", outcome.entry.name, outcome.message)
    return 3
