"""The explorer and the tree layout at 1,000, 10,000 and 100,000 made-up points, beside umap-learn's default path.

    python benchmarks/view.py

Prints the table and writes docs/results/view.md and view.json. Points in the ball of curvature -0.1 around a tree of
class directions, 20 to a class, with made-up thumbnails up to 10,000 points. The page is opened in headless Chromium
without a GPU (needs the package playwright and a Chromium on the path); while the mouse is held down and moved in steps
from animation frame to animation frame, the page notes how long it drew. umap-learn gets the points of the ball as they
are, with its Euclidean input distance and hyperboloid output, as its documentation shows; both ways are seeded, on one
thread.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from publish import publish

from hyperdml.data import ArrayImages, EmbeddingSet
from hyperdml.geometry import expmap0
from hyperdml.metrics.trees.tree_scores_result import TreeScores
from hyperdml.training.tables import markdown_table
from hyperdml.tree import Hierarchy, extract_tree
from hyperdml.viz.explorer import explorer_data, explorer_page
from hyperdml.viz.layouts import tree_layout, umap_layout
from hyperdml.viz.subject import Subject

C, CLIP, D, PER_CLASS, SIDE = 0.1, 2.3, 64, 20, 48
SIZES = (1_000, 10_000, 100_000)
MOST_IMAGES = 10_000
FRAMES = 90
_SHOWN = ("first", "median", "p95")
INTRODUCTION = """Page: from points and tree to the finished HTML. First paint and drawing are measured in the page, in
headless Chromium without a GPU, 1400 x 900; a frame is drawn 30 times a second if it takes less than 33 ms. Layouts:
seconds from points to places in the disk."""

_DRAG = """async (frames) => {
  const box = document.getElementById("stage"), at = box.getBoundingClientRect();
  const middle = [at.left + at.width / 2, at.top + at.height / 2];
  const send = (kind, k) => box.dispatchEvent(new PointerEvent(kind, {bubbles: true, pointerId: 1, isPrimary: true,
    buttons: kind === "pointerup" ? 0 : 1, clientX: middle[0] + 2 * k, clientY: middle[1] - k}));
  window.hyperdml.stats.frames.length = 0;
  box.setPointerCapture = () => {}; box.releasePointerCapture = () => {};
  send("pointerdown", 0);
  for (let k = 1; k <= frames; k++) { send("pointermove", k); await new Promise(requestAnimationFrame); }
  send("pointerup", frames);
  return window.hyperdml.stats.frames.filter(({kind}) => kind === "moving").map(({draw}) => draw);
}"""


def case(n: int) -> Subject:
    """Points in classes, and images for at most 10,000 of them."""
    g = torch.Generator().manual_seed(0)
    classes = max(2, n // PER_CLASS)
    tops = torch.randn(classes // 20 + 1, D, generator=g)
    centres = tops[torch.arange(classes) // 20] + 0.8 * torch.randn(classes, D, generator=g)
    labels = torch.arange(n) % classes
    direction = torch.nn.functional.normalize(centres[labels] + torch.randn(n, D, generator=g))
    found = EmbeddingSet(expmap0(CLIP * direction, C), C, labels=labels, levels=torch.stack([labels // 20, labels], 1))
    blocks = np.random.default_rng(0).integers(0, 255, (n, 4, 4, 3), dtype=np.uint8)
    images = ArrayImages(blocks.repeat(12, 1).repeat(12, 2), labels.numpy()) if n <= MOST_IMAGES else None
    return Subject(f"{n:,} made-up points", found, images)


def timed(work: Any) -> tuple[float, Any]:
    """Seconds that a call takes, and what it gives."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def in_browser(page: str) -> dict[str, float]:
    """First paint and the time that frames take to draw while the disk is dragged, in milliseconds."""
    from playwright.sync_api import sync_playwright

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as tool:
        file = Path(folder) / "page.html"
        file.write_text(page, encoding="utf-8")
        started = tool.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = started.new_page(viewport={"width": 1400, "height": 900})
        tab.goto(file.as_uri())
        tab.wait_for_timeout(4000)
        first = tab.evaluate("window.hyperdml.stats.firstPaint")
        draws = np.array(tab.evaluate(_DRAG, FRAMES))
        started.close()
    return {"first": first, "median": float(np.median(draws)), "p95": float(np.quantile(draws, 0.95))}


def default_umap(points: torch.Tensor) -> Any:
    """umap-learn's own way to the hyperboloid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        return UMAP(output_metric="hyperboloid", random_state=0, n_jobs=1).fit_transform(points.numpy())


def measure(n: int, most_umap: int) -> dict[str, float]:
    """All figures of one size, UMAP up to `most_umap` points."""
    subject = case(n)
    points = subject.embeddings.points
    grown, tree = timed(lambda: extract_tree(points, c=C))
    scores = TreeScores(n, tree.num_nodes - n, int(tree.depths.max()), {}, None, {})
    whole, page = timed(lambda: explorer_page(explorer_data(subject, Hierarchy(tree, scores, None))))
    out = {"tree": grown, "layout": timed(lambda: tree_layout(tree))[0], "page": whole, "size": len(page) / 1e6}
    out |= in_browser(page)
    if n <= most_umap:
        out["umap"] = timed(lambda: umap_layout(points, c=C, neighbors=15))[0]
        out["default umap"] = timed(lambda: default_umap(points))[0]
    return out


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--umap", type=int, default=10_000, help="most points that both ways of UMAP get: minutes")
    parser.add_argument("--no-write", action="store_true", help="print only")
    asked = parser.parse_args()
    umap_layout(case(100).embeddings.points, c=C)  # numba compiles on the first call of both ways
    default_umap(case(100).embeddings.points)
    found = {n: measure(n, asked.umap) for n in asked.sizes}
    page = markdown_table(
        ["points", "page, s", "size, MB", "first paint, ms", "drag frame, median ms", "95th percentile, ms"],
        [
            [f"{n:,}", f"{one['page']:.1f}", f"{one['size']:.1f}", *(f"{one[key]:.0f}" for key in _SHOWN)]
            for n, one in found.items()
        ],
    )
    layouts = markdown_table(
        ["points", "tree of average linkage, s", "its layout, s", "UMAP, our neighbours, s", "umap-learn's default, s"],
        [
            [
                f"{n:,}",
                f"{one['tree']:.1f}",
                f"{one['layout']:.2f}",
                *(f"{one[name]:.1f}" if name in one else "-" for name in ("umap", "default umap")),
            ]
            for n, one in found.items()
        ],
    )
    text = f"{INTRODUCTION}\n\n{page}\n\n{layouts}\n\nThe machine was shared with other work; single measurements."
    print(text)
    if not asked.no_write:
        command = f"python benchmarks/view.py --umap {asked.umap}"
        publish("view", "The explorer and layouts of the disk", command, text, found)


if __name__ == "__main__":
    main()
