"""Costs of the stem scan in centibits, learned by ``train/stem_costs.py``: not to edit.

Provenance:
    options {"steps": 500, "scanned": 350000, "seed": 1}
    mirbase/mirgenedb_ALL_pre.fas.gz sha256 3a7b37495c50b463...
    mirbase/hairpin.fa.gz sha256 208298e1c73cd0e1...
    genomes/arabidopsis_1pct/genome.fa.gz sha256 d9dfe96915b080bd...
    genomes/fly_1pct/genome.fa.gz sha256 a6e07b4752565305...
    genomes/human_clones/genome.fa.gz sha256 bc0f4a1558b3c41e...
    genomes/mouse_pieces/genome.fa.gz sha256 0dbf8ce0c975831a...
    animal:
        learned_from [796, 400]
        held_out [799, 400]
        begin:
            cg: -166.6
            au: -137.4
            gu: 26.1
            loop_open: 171.8
            bulge: 398.9
            interior: 211.1
            hairpin: 380.7
            hairpin_step: 29.3
            hairpin_free: 7.0
            tilt: 156.7
            window: 200.0
            short_step: 12.0
            short: 71.0
            long_step: 11.9
            long: 89.0
        loss [7.893, 6.66]
        held_out_recall [0.9912, 0.995]
        candidates_per_mb:
            mouse_pieces: 6017
            human_clones: 4349
            arabidopsis_1pct: 2777
            fly_1pct: 3274
            random GC 0.3: 400
            random GC 0.4: 1583
            random GC 0.5: 3543
            random GC 0.6: 5583
            random GC 0.66: 5234
            GC-rich: 9169
        end_distance_by_overhang [5.97, 5.57, 5.34, 5.28, 5.4, 5.65, 6.02, 6.46]
        end_distance_by_overhang_held_out [5.73, 5.38, 5.17, 5.13, 5.29, 5.59, 5.99, 6.47]
    plant:
        learned_from [500]
        held_out [500]
        begin:
            cg: -180.0
            au: -125.0
            gu: 76.0
            loop_open: 84.0
            bulge: 302.0
            interior: 180.0
            hairpin: 227.0
            hairpin_step: 8.0
            hairpin_free: 14.0
            tilt: 255.0
            window: 325.0
            short_step: 19.0
            short: 65.0
            long_step: 1.0
            long: 120.0
        loss [7.557, 5.553]
        held_out_recall [0.87]
        candidates_per_mb:
            mouse_pieces: 3917
            human_clones: 6220
            arabidopsis_1pct: 5849
            fly_1pct: 6769
            random GC 0.3: 5463
            random GC 0.4: 4269
            random GC 0.5: 2194
            random GC 0.6: 554
            random GC 0.66: 126
            GC-rich: 1546
        end_distance_by_overhang [8.85, 8.97, 9.21, 9.52, 9.87, 10.28, 10.73, 11.23]
        end_distance_by_overhang_held_out [7.09, 7.22, 7.54, 7.95, 8.43, 8.96, 9.54, 10.17]
"""

from __future__ import annotations

ANIMAL = {
    "cg": -180,
    "au": -125,
    "gu": 76,
    "loop_open": 84,
    "bulge": 302,
    "interior": 180,
    "hairpin": -1343,
    "hairpin_step": 48,
    "hairpin_free": 14,
    "min_loop": 3,
    "tilt": 255,
    "window": 325,
    "short_step": 19,
    "short": 65,
    "long_step": 2,
    "long": 76,
}

PLANT = {
    "cg": -153,
    "au": -236,
    "gu": 30,
    "loop_open": 103,
    "bulge": 322,
    "interior": 187,
    "hairpin": -189,
    "hairpin_step": 16,
    "hairpin_free": 24,
    "min_loop": 3,
    "tilt": 279,
    "window": 377,
    "short_step": 39,
    "short": 65,
    "long_step": 2,
    "long": 133,
}

HIGHEST = -2000
"""Energy in centibits above which there is no candidate; the same for all tables."""
