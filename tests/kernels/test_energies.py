from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premir.kernels.energies import INF, EnergyParameters, current_parameters, parse_parameters
from premir.scanner.find.viennarna import fold

RNA = pytest.importorskip("RNA")


@pytest.fixture
def viennarna() -> Iterator[Any]:
    """ViennaRNA, whose parameters and temperature are put back afterwards."""
    yield RNA
    RNA.params_load_RNA_Turner2004()
    RNA.cvar.temperature = 37.0


def assert_as_in_viennarna(e: EnergyParameters) -> None:
    """Compare with the rescaled parameters that the bindings show (they show no mismatches).

    The first base of ViennaRNA is that of an unknown letter, which is the last of ours.
    """
    expected = RNA.param(RNA.md())
    assert e.temperature == expected.temperature
    assert e.log_slope == expected.lxc
    assert [row.tolist() for row in e.stack] == [list(expected.stack[t])[1:7] for t in range(1, 7)]
    assert e.hairpin.tolist() == list(expected.hairpin)
    assert e.bulge.tolist() == list(expected.bulge)
    assert e.interior.tolist() == list(expected.internal_loop)
    assert [row.tolist() for row in e.dangle5] == [
        [*list(expected.dangle5[t])[1:], expected.dangle5[t][0]] for t in range(1, 7)
    ]
    assert [row.tolist() for row in e.dangle3] == [
        [*list(expected.dangle3[t])[1:], expected.dangle3[t][0]] for t in range(1, 7)
    ]
    assert (e.multi_base, e.multi_closing) == (expected.MLbase, expected.MLclosing)
    assert {e.multi_stem} == set(expected.MLintern)
    assert (e.ninio, e.terminal_au) == (expected.ninio[2], expected.TerminalAU)


@pytest.mark.parametrize("temperature", [0.0, 25.0, 37.0, 55.5, 80.0])
def test_rescaled_as_viennarna_does(viennarna: Any, temperature: float) -> None:
    viennarna.cvar.temperature = temperature
    assert_as_in_viennarna(current_parameters(temperature))


@pytest.mark.parametrize("name", ["RNA_Andronescu2007", "RNA_Turner1999", "DNA_Mathews1999"])
def test_reads_what_is_loaded(viennarna: Any, name: str) -> None:
    default = current_parameters().digest
    getattr(viennarna, f"params_load_{name}")()
    assert_as_in_viennarna(current_parameters())
    assert current_parameters().digest != default
    viennarna.params_load_RNA_Turner2004()
    assert current_parameters().digest == default


def test_digest_names_the_temperature() -> None:
    default = current_parameters()
    assert default.digest == current_parameters().digest
    assert len(default.digest) == 64
    assert current_parameters(36.0).digest != default.digest


def test_a_temperature_left_in_viennarna_changes_no_fold(viennarna: Any) -> None:
    """Kernel and bindings fold at one temperature, whatever the process has set."""
    default = current_parameters().digest
    sequence = "GGGGCUAGCUAGGAUCCAAAAGGAUCUUAGCUACCCC"
    folded = fold([sequence])
    viennarna.cvar.temperature = 60.0
    assert current_parameters().digest == default
    assert fold([sequence]) == folded


def test_turner_2004_values() -> None:
    """A few numbers of Turner 2004 that the parser could get wrong: axes, DEF, N rows, specials."""
    e = current_parameters()
    assert e.stack[0, 1] == -330  # CG followed by GC read backwards, i.e. 5'-CC-3'
    assert e.hairpin[:4].tolist() == [INF, INF, INF, 540]
    assert e.special_hairpins["CUUCGG"] == 370
    assert (e.terminal_au, e.log_slope, e.ninio, e.ninio_max) == (50, 107.856, 60, 300)
    assert e.loop(e.hairpin, 31) == 770 + int(107.856 * np.log(31 / 30))


def test_symmetry_of_small_loops() -> None:
    """Read from the other strand, a 1x1 or 2x2 loop is the same loop."""
    e = current_parameters()
    assert np.array_equal(e.stack, e.stack.T)
    assert np.array_equal(e.int11, e.int11.transpose(1, 0, 3, 2))
    assert np.array_equal(e.int22, e.int22.transpose(1, 0, 4, 5, 2, 3))


def test_an_unknown_letter_in_a_loop_of_two_by_two_costs_the_most() -> None:
    loops = current_parameters().int22
    assert loops.shape == (6, 6, 5, 5, 5, 5)
    assert loops[0, 1, 4, 0, 2, 4] == loops[0, 1, :4, 0, 2, :4].max()
    assert loops[3, 2, 1, 4, 4, 4] == loops[3, 2, 1, :4, :4, :4].max()


@pytest.mark.parametrize(
    "pattern, replacement, message",
    [
        (r"# NINIO", "# OTHER", "no section 'NINIO'"),
        (r"# stack_enthalpies", "# other", "no section 'stack_enthalpies'"),
        (r"(# bulge\n) +INF", r"\1", "30 values in section 'bulge', expected 31"),
        (r"(# NINIO\n.*\n.*\n\s+)60", r"\1sixty", "section 'NINIO': could not convert"),
        (r"(# Triloops\n\s+\S+\s+\S+\s+)\S+", r"\1", "section 'Triloops'"),
    ],
)
def test_refuses_a_broken_file(
    tmp_path: Path, pattern: str, replacement: str, message: str
) -> None:
    path = tmp_path / "energies.par"
    RNA.params_save(str(path))
    text, changes = re.subn(pattern, replacement, path.read_text(), count=1)
    assert changes == 1
    with pytest.raises(ValueError, match=message):
        parse_parameters(text)
