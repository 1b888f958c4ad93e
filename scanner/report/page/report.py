"""The page as a whole: what was scanned, how much to believe, distributions, contigs, top hits.

It depends on what the hits depend on, and on nothing else: equal scans give equal pages.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from premir.scanner import __version__
from premir.scanner.find import viennarna
from premir.scanner.genome.tiles import place
from premir.scanner.options import ScanOptions
from premir.scanner.outputs import writing
from premir.scanner.report.belief import Belief, DecoyBelief, count_range
from premir.scanner.report.evidence import rates_of
from premir.scanner.report.hits import Hits
from premir.scanner.report.page import charts
from premir.scanner.report.page.charts import Histogram
from premir.scanner.report.page.top import top_hits
from premir.scanner.report.table import HitTable
from premir.scanner.run.engine import Tally
from premir.scanner.run.tasks import Job
from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.model import Model, log_odds_of
from premir.scanner.score.suitability import doubts
from premir.scanner.streams import is_stream

_HERE = Path(__file__).parent
_AT_RECALL = re.compile(r"false_per_mb_at_recall_(\d+(?:\.\d+)?)")
_AT_RATE = re.compile(r"recall_at_(\d+(?:\.\d+)?)_per_mb")
"""How a card says what its model makes of held-out hairpins in held-out genomes."""
_CONTIGS = 25
"""So many contigs are named."""
_LONGEST_TEXT = 120
"""Names of more letters are cut in the middle of the page, lest one fills it."""
_SHOWN = 0.5
"""Bins at either end with fewer percent of the known hairpins, and no hit, are left out."""
_RATES = (10.0, 1.0, 0.1, 0.01)
"""False calls per Mb for which hits are counted."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a report says of a scan beside its hits.

    Attributes:
        options: what was asked for.
        job: the scan, with its model.
        tally: its counts, and the tiles that are missing.
        megabases: scanned.
        belief: how many hits to expect to be false; None where nobody knows.
    """

    options: ScanOptions
    job: Job
    tally: Tally
    megabases: float
    belief: Belief | DecoyBelief | None


def write_report(path: Path, hits: Hits, scanned: Scanned) -> None:
    """Write the report of a scan, whole or not at all.

    Args:
        path: HTML file or stream.
        hits: what was found, with their columns.
        scanned: how.
    """
    page = render(hits, scanned)
    with writing(path) as handle:
        handle.write(page)


def render(hits: Hits, scanned: Scanned) -> str:
    """Return the page; its style is allowed by its digest, and nothing else is."""
    model = scanned.job.model
    assert model is not None
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    genome, table = hits.material.genome, hits.table
    source, rates = genome.source, rates_of(scanned.options.search)
    return _template().render(
        style=Markup(style),
        digest=digest,
        genome="standard input" if is_stream(source) else source.name,
        version=__version__,
        count=len(hits),
        megabases=scanned.megabases,
        belief=scanned.belief,
        sentence=_sentence(scanned.belief),
        model=model,
        threshold=scanned.job.min_prob,
        facts=list(_facts(hits, scanned, model)),
        missing=[place(tile, genome.contigs) for tile, _ in scanned.tally.quarantined],
        doubts=list(doubts(model, scanned.options.search.preset)),
        limits=_texts(model.card.get("limits")),
        curve=_belief_chart(rates, table, scanned.job.min_prob),
        rates=list(_rates(rates, table, scanned)),
        charts=list(_charts(hits, scanned.options.search.preset, model)) if len(hits) else [],
        known_source=_known()["source"],
        contigs=_contigs(hits),
        top=top_hits(hits),
        columns=hits.columns,
    )


def _facts(hits: Hits, scanned: Scanned, model: Model) -> Iterator[tuple[str, str]]:
    search, job, counts = scanned.options.search, scanned.job, scanned.tally.counts
    genome = hits.material.genome
    contigs = len(genome.contigs)
    circular = int(genome.contigs.circular.sum())
    yield (
        "Genome",
        (
            f"{contigs} contig{'s' * (contigs != 1)}, {genome.length / 1e6:.3f} Mb"
            + (f"; {circular} circular" if circular else "")
        ),
    )
    yield (
        "Scanned",
        (
            f"{scanned.megabases:.3f} Mb on both strands"
            + (f", for {', '.join(search.regions)}" if search.regions else "")
        ),
    )
    yield "Model", f"{model.name}: {model.card.get('description', '')}"
    yield (
        "Threshold",
        (
            f"probability {job.min_prob:g}"
            + (f", log odds {log_odds_of(job.min_prob):.2f}" if 0 < job.min_prob < 1 else "")
        ),
    )
    for name, limit in search.limits.items():
        left_out = counts.get(f"over_max_{name}", 0)
        yield f"At most {limit:g} {name}", f"{left_out} hits were left out"
    if search.strand == "best":
        left_out = counts.get("worse_strand", 0)
        yield "Better strand only", f"{left_out} hits with a better one opposite were left out"
    for what, files in ("Excluded", search.exclude), ("Marked", search.mark):
        if files:
            yield f"{what} features", ", ".join(file.path.name for file in files)
    yield (
        "Looked for",
        (
            f"hairpins of {search.preset}s up to {job.extractor.max_span} nt"
            + (" in fixed windows" if job.extractor.kind == "windows" else "")
            + f", folded with {model.context_nt} nt on both sides"
        ),
    )
    if search.known is not None:
        count = len(search.known.known)
        yield "Known families", f"{search.known.name}: {count:,} hairpin{'s' * (count != 1)}"
    yield "Gates", f"off: {job.gates_off}" if job.gates is None else "on"
    yield (
        "From candidates to hits",
        " → ".join(
            f"{number:,} {what}"
            for what, number in (
                ("candidates", counts.get("candidates", 0)),
                ("folded", counts.get("folded", 0)),
                ("scored", counts.get("scored", 0)),
                ("above the threshold", counts.get("hits", 0)),
                ("hits", len(hits)),
            )
        ),
    )
    if passed_over := list(_passed_over(scanned)):
        yield "Passed over", "; ".join(passed_over)
    if short := counts.get("short_of_context", 0):
        yield (
            "Short of context",
            f"{short:,} of the hits: near the end of a contig or unknown letters",
        )
    if scanned.tally.counts.get("refolded") is not None:
        yield (
            "Folded again with ViennaRNA",
            (f"{counts['refolded']:,} hits, {counts['fold_disagreements']} otherwise"),
        )
    accepted = {name: n for name, n in asdict(genome.accepted).items() if n}
    if accepted:
        yield (
            "Out of the ordinary in the input",
            ", ".join(f"{name.replace('_', ' ')}: {number:,}" for name, number in accepted.items()),
        )
    yield "Made by", f"premir {__version__}, ViennaRNA {viennarna.version()}"
    yield "Digests", f"genome {genome.digest()[:16]}, model {model.digest[:16]}"


def _passed_over(scanned: Scanned) -> Iterator[str]:
    """Say what of the genome could hold no candidate, or be none."""
    extractor = scanned.job.extractor
    kind = "windows" if extractor.kind == "windows" else "stem-loops"
    most = extractor.unknown_letters
    too_many = f"more than {100 * most:g} % of unknown letters" if most else "unknown letters"
    for reason, what in (
        ("short_contigs", f"contigs shorter than {extractor.min_span} nt"),
        ("unknown_letters", "unknown letters"),
        ("with_unknown_letters", f"{kind} that hold {too_many}"),
    ):
        if number := scanned.tally.passed_over[reason]:
            yield f"{number:,} {what}"


def _belief_chart(curve: FalseCalls | None, table: HitTable, min_prob: float) -> Markup | None:
    if curve is None:
        return None
    return Markup(charts.belief(curve, table.ranked, log_odds_of(min_prob)))


def _rates(
    curve: FalseCalls | None, table: HitTable, scanned: Scanned
) -> Iterator[tuple[str, str, int, str]]:
    """Rate, log odds, hits at or above and how many of them to expect to be false."""
    if curve is None:
        return
    threshold = log_odds_of(scanned.job.min_prob)
    rows = [("threshold", threshold)]
    rows += [(f"{rate:g}", curve.log_odds_at(rate)) for rate in _RATES if rate >= curve.fewest]
    for name, at in rows:
        if at < threshold:
            continue
        count = int((table.ranked >= at).sum())
        lowest, highest = count_range(curve.span(at), scanned.megabases, count)
        expected = f"{lowest}" if lowest == highest else f"{lowest} to {highest}"
        yield name, f"{at:.2f}", count, expected


def _charts(hits: Hits, preset: str, model: Model) -> Iterator[tuple[str, Markup, str]]:
    """Heading, chart and a line below it for each distribution."""
    table = hits.table
    log_odds, length = table.log_odds, (table.loci.end - table.loci.start).astype(np.float64)
    low = math.floor(log_odds.min())
    bins = max(4, math.ceil(log_odds.max() + 1e-9) - low)
    width = math.ceil(bins / 30)
    scores = Histogram.of(log_odds, low, width, math.ceil(bins / width))
    points = list(_recall(model))
    below = "Line: percent of known hairpins, held out from training, that score as high or higher."
    yield (
        "Score",
        Markup(charts.histogram(scores, None, "log odds", points)),
        f"Hits: {_quartiles(log_odds, 2)}. {below if points else ''}",
    )
    known = _known()[preset]
    energies = {"length": ("Length", "nt", length)}
    if "mfe_hairpin" in table.columns:
        energies["mfe"] = ("Minimum free energy", "kcal/mol", table.columns["mfe_hairpin"])
    for name, (heading, unit, values) in energies.items():
        theirs = Histogram(**known[name])
        ours = Histogram.of(values, theirs.first, theirs.step, len(theirs.counts))
        filled = np.flatnonzero((np.array(ours.counts) > 0) | (np.array(theirs.shares) >= _SHOWN))
        first, end = int(filled[0]), int(filled[-1]) + 1
        yield (
            heading,
            Markup(charts.histogram(ours.cut(first, end), theirs.cut(first, end), unit)),
            f"Hits: {_quartiles(values, 0)} {unit}. Line: {known['hairpins']:,} known hairpins.",
        )


def _quartiles(values: Any, digits: int) -> str:
    low, middle, high = np.percentile(values, [25, 50, 75])
    texts = [f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}") for value in (middle, low, high)]
    return f"median {texts[0]}, half of them {texts[1]} to {texts[2]}"


def _recall(model: Model) -> Iterator[tuple[float, float]]:
    """Log odds and percent of held-out known hairpins at or above, as far as a card says it."""
    curve, judged = model.false_calls, model.card.get("held_out")
    if curve is None or not isinstance(judged, dict):
        return
    points = []
    for key, value in judged.items():
        if not isinstance(value, int | float):
            continue
        if found := _AT_RECALL.fullmatch(str(key)):
            points.append((float(value), float(found[1])))
        elif found := _AT_RATE.fullmatch(str(key)):
            points.append((float(found[1]), float(value)))
    for rate, recall in sorted(points):
        if rate > 0 and 0 <= recall <= 1:
            yield curve.log_odds_at(rate), 100 * recall


def _contigs(hits: Hits) -> dict[str, Any]:
    contigs = hits.material.genome.contigs
    counts = np.bincount(hits.table.loci.contig, minlength=len(contigs))
    order = np.argsort(-counts, kind="stable")
    named = [int(n) for n in order[:_CONTIGS] if counts[n]]
    most = int(counts.max(initial=1))
    rows = [
        {
            "name": contigs.names[n],
            "megabases": int(contigs.lengths[n]) / 1e6,
            "hits": int(counts[n]),
            "per_mb": 1e6 * int(counts[n]) / int(contigs.lengths[n]),
            "share": 100 * int(counts[n]) / most,
        }
        for n in named
    ]
    return {
        "rows": rows,
        "others": int((counts > 0).sum()) - len(named),
        "hits_elsewhere": len(hits) - int(counts[named].sum()),
        "without": int((counts == 0).sum()),
    }


def _sentence(belief: Belief | DecoyBelief | None) -> str:
    text = "" if belief is None else str(belief)
    return text[:1].upper() + text[1:]


def _texts(value: object) -> Sequence[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


@cache
def _known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_HERE / "known.json").read_text(encoding="utf-8"))
    return found


def _short(text: str) -> str:
    half = _LONGEST_TEXT // 2
    return text if len(text) <= _LONGEST_TEXT else f"{text[:half]}…{text[-half:]}"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["short"] = _short
    environment.filters["svg"] = Markup
    return environment.get_template("page.html.j2")
