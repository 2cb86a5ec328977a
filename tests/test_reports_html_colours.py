"""The heatmap's colours, also as eyes see them that lack one kind of cone."""

import re
from itertools import combinations
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[1].joinpath("reports", "page.css").read_text(encoding="utf-8")
# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009,
# severity 1.0, on linear RGB.
SEEN = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
APART = 12  # CIE76; about 2.3 can just be seen side by side
Colour = tuple[float, float, float]


def colours(scheme: int) -> dict[str, str]:
    """Ground of each mark; `scheme` 0 is light, 1 is dark."""
    found = dict(re.findall(r"\.cell\.status-([\w-]+) \{ background: ([^;]+);", CSS))
    return {
        name: re.findall(rf"{colour[4:-1]}: (#[0-9a-f]+)", CSS)[scheme] if colour.startswith("var(") else colour
        for name, colour in found.items()
    }


def lab(colour: str, matrix: tuple[Colour, Colour, Colour]) -> Colour:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    red, green, blue = (
        min(max(sum(one * part for one, part in zip(row, linear, strict=True)), 0), 1) for row in matrix
    )
    whole = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089,
    )
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in whole)
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("eyes", SEEN)
def test_no_two_statuses_of_the_heatmap_look_alike(scheme: int, eyes: str) -> None:
    found = {name: lab(colour, SEEN[eyes]) for name, colour in colours(scheme).items()}

    near = [
        f"{one} and {other}: {distance:.0f}"
        for one, other in combinations(sorted(found), 2)
        if (distance := sum((a - b) ** 2 for a, b in zip(found[one], found[other], strict=True)) ** 0.5) < APART
    ]

    assert len(found) == 8
    assert near == []


def test_every_status_of_the_heatmap_has_a_mark_of_its_own() -> None:
    marks = re.findall(r"\.cell\.(?:status-[\w-]+|not-reached)::before \{ content: (\S+);", CSS)

    assert len(marks) == len(set(marks)) == 9
