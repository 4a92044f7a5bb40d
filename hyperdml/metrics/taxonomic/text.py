"""A classification report in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hyperdml.metrics.taxonomic.risk_coverage import RiskCoverage


def report_lines(figures: Mapping[str, float], levels: Sequence[str], samples: int, curve: RiskCoverage) -> list[str]:
    """Figures of `ClassificationReport.figures`, a few a line; those that are absent are left out.

    Args:
        figures: by name.
        levels: names of the levels.
        samples: number of samples.
        curve: correctness and specificity at a few confidences.
    """
    tops = [name for name in figures if name.startswith("top")]
    distances = [name for name in figures if name.startswith("hierarchical_distance@")]
    groups: dict[str, list[tuple[str, float | None, str]]] = {
        "leaves": [(f"top-{name[3:]}", figures[name], ".2%") for name in tops],
        "levels": [(level, figures.get(f"accuracy/{level}"), ".2%") for level in levels],
        "ancestors": [(f"{name} (micro)", figures.get(name), ".2%") for name in ("hP", "hR", "hF1")],
        "distance": [(f"at {name.partition('@')[2]}", figures[name], ".3f") for name in distances]
        + [("of mistakes alone", figures.get("mistake_severity"), ".3f")],
        "consistency": [("samples whose levels agree", figures["consistency"], ".2%")],
        "calibration error": [(level, figures.get(f"ece/{level}"), ".2%") for level in levels],
    }
    out = [f"{samples} samples"]
    for title, entries in groups.items():
        words = [f"{name} {format(value, form)}" for name, value, form in entries if value is not None]
        if words:
            out.append(f"{title}: {', '.join(words)}")
    for confidence, right, specific in zip(curve.confidence, curve.correctness, curve.specificity, strict=True):
        out.append(f"answers of confidence {confidence:g}: {right:.2%} right, specificity {specific:.3f} of 1")
    return out
