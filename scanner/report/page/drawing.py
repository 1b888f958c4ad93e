"""A fold as SVG: bases, pairs, flanks, arms and loop."""

from __future__ import annotations

from collections.abc import Iterable

from premir.kernels.codes import Codes, decode
from premir.kernels.pairing import Pairs
from premir.scanner.report.page.layout import STEP, layout

_EDGE = 1.8 * STEP
_ZOOM = 1.25
"""Pixels of one unit: letters are nine pixels high."""
_PARTS = ("flank", "five", "loop", "three")
"""Classes of bases, which the style sheet colours."""


def parts_of(length: int, inner: tuple[int, int], loop: tuple[int, int]) -> list[str]:
    """Return for each base what it belongs to: ``flank``, ``five``, ``loop`` or ``three``.

    Args:
        length: of what was folded.
        inner: where the hairpin begins and ends in it.
        loop: where the terminal loop does; before the first base where there is none.
    """
    start, end = inner
    first, last = loop if loop[0] >= 0 else inner
    return [
        "flank"
        if not start <= n < end
        else "five"
        if n < first
        else "loop"
        if n < last
        else "three"
        for n in range(length)
    ]


def draw(codes: Codes, pairs: Pairs, inner: tuple[int, int], loop: tuple[int, int]) -> str:
    """Return an SVG element of a fold.

    Args:
        codes: uint8 (N,), its letters.
        pairs: int16 (N,), partner or -1.
        inner: where the hairpin begins and ends in it.
        loop: where the terminal loop does; -1, -1 where there is none.
    """
    places = [place.conjugate() for place in layout(pairs)]  # y grows downwards in SVG
    corner = complex(min(p.real for p in places), min(p.imag for p in places))
    places = [place - corner + complex(_EDGE, _EDGE) for place in places]
    width = max(p.real for p in places) + _EDGE
    height = max(p.imag for p in places) + _EDGE
    letters, parts = decode(codes), parts_of(len(places), inner, loop)
    bonds: dict[str, list[str]] = {"pair": [], "wobble": []}
    for i, j in enumerate(pairs.tolist()):
        if j > i:
            kind = "wobble" if {letters[i], letters[j]} == {"G", "U"} else "pair"
            bonds[kind].append(f"M{_xy(places[i])}L{_xy(places[j])}")
    out = [
        f'<svg class="fold" viewBox="0 0 {width:.0f} {height:.0f}" width="{_ZOOM * width:.0f}" '
        f'height="{_ZOOM * height:.0f}" aria-hidden="true">',
        f'<path class="chain" d="M{"L".join(map(_xy, places))}"/>',
        *(f'<path class="{kind}" d="{"".join(lines)}"/>' for kind, lines in bonds.items() if lines),
    ]
    for part in _PARTS:
        own = [n for n, each in enumerate(parts) if each == part]
        if own:
            dots = "".join(f"M{_xy(places[n])}h0" for n in own)
            out.append(f'<path class="dot {part}" d="{dots}"/>')
            text = "".join(letters[n] for n in own)
            xs, ys = _list(places[n].real for n in own), _list(places[n].imag + 2.6 for n in own)
            shown = text.lower() if part == "flank" else text
            out.append(f'<text class="on-{part}" x="{xs}" y="{ys}">{shown}</text>')
    for name, place in (("5&#8242;", places[0]), ("3&#8242;", places[-1])):
        out.append(
            f'<text class="end" x="{place.real - 11:.1f}" y="{place.imag + 3:.1f}">{name}</text>'
        )
    return "".join([*out, "</svg>"])


def _xy(place: complex) -> str:
    return f"{place.real:.1f} {place.imag:.1f}".replace(".0", "")


def _list(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:.1f}" for number in numbers)
