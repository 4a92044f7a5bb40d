"""The report of a run: what it says is what the run found, and what is missing is said."""

import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic import tree_points
from training.classify_case import config as classify_config
from viz.test_report_page import Page

from hyperdml.cli.tree import tree
from hyperdml.cli.view import view
from hyperdml.data import EmbeddingSet, load_splits
from hyperdml.data.miniatures import make_cub, make_in_shop
from hyperdml.errors import DataError
from hyperdml.geometry import expmap0, logmap0
from hyperdml.metrics import bootstrap_interval, evaluation_report
from hyperdml.metrics.trees.nulls import Null, Score
from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.folder import append, create_run
from hyperdml.training.records import Row
from hyperdml.training.report import findings as findings_module
from hyperdml.training.report import picture as picture_module
from hyperdml.training.report import query_scores as query_scores_module
from hyperdml.training.report import retrieved as retrieved_module
from hyperdml.training.report.classify import classify_record, classify_report
from hyperdml.training.report.findings import find
from hyperdml.training.report.intervals import compare_arms
from hyperdml.training.report.lead import against_controls
from hyperdml.training.report.log_charts import log_blocks, read_log
from hyperdml.training.report.query_scores import query_scores
from hyperdml.training.report.retrieval import retrieval_report
from hyperdml.training.report.sections import proxy_trees_section, radius_charts
from hyperdml.training.retrieval.arms import arms_of
from hyperdml.training.retrieval.evaluate import score
from hyperdml.training.retrieval.result import LEARNED, RunResult, save_result
from hyperdml.training.retrieval.scoring import radii, tree_rows
from hyperdml.training.settings import config_from_dict
from hyperdml.training.subject import subject_of
from hyperdml.tree.report import DIRECTIONS, RADII
from hyperdml.viz.report import Charts, Paragraph, report_page

KS = (1, 2)


def settings(root, **changes):
    values = {
        "data": {"name": "cub", "root": str(root), "complete": False, "image_size": 32},
        "model": {"backbone": "test_efficientnet", "weights": "none", "head": {"embedding_size": 8}},
        "hier": {"levels": [2, 4]},
        "evaluation": {"ks": list(KS), "controls": ["metric"], "draws": 2},
    }
    return config_from_dict({**values, **changes}, "test")


def embeddings(n=60, seed=0, **changes):
    torch.manual_seed(seed)
    points, labels, levels = tree_points(n, 8, spread=True)
    values = {
        "labels": labels,
        "levels": torch.as_tensor(levels),
        "level_names": tuple(f"level {i}" for i in range(np.asarray(levels).shape[1])),
        "class_names": tuple(f"class {k}" for k in range(int(labels.max()) + 1)),
        "proxies": expmap0(torch.randn(6, 8), 0.1),
    }
    return EmbeddingSet(points, 0.1, **{**values, **changes})


def moved(found, by=0.5):
    """The same images under another model."""
    tangent = logmap0(found.points, found.c)
    return replace(found, points=expmap0(tangent + by * torch.randn_like(tangent), found.c), proxies=None)


def figures(found):
    return score(found.points, found.labels, found.levels, found.level_names, KS, found.c)


def test_means_over_queries_are_the_figures_of_the_table():
    found = embeddings()
    scores = query_scores(found, KS).scores
    expected = figures(found)
    assert list(scores) == list(expected)
    for name, value in expected.items():
        assert float(scores[name].nanmean()) == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("inside", [True, False])
def test_queries_against_a_gallery(inside):
    queries = torch.arange(60) % 3 == 0
    gallery = torch.ones(60, dtype=torch.bool) if inside else ~queries
    found = embeddings(queries=queries, gallery=gallery)
    masks = {"queries": queries.numpy(), "gallery": gallery.numpy()}
    expected = score(found.points, found.labels, found.levels, found.level_names, KS, found.c, **masks)
    scores = query_scores(found, KS).scores
    for name, value in expected.items():
        assert float(scores[name].nanmean()) == pytest.approx(value, abs=1e-12), name


def test_intervals_are_those_of_the_metrics_over_classes_and_of_paired_differences():
    main = embeddings()
    control = moved(main)
    compared = {entry.name: entry for entry in compare_arms(main, {"control": control}, KS, seed=3)}
    report = evaluation_report(main.points, main.labels, KS, main.levels, main.level_names, main.c, seed=3)
    for name in ("R@1", "R@2", "MAP@R", "H-AP"):
        interval = compared[name].main
        assert (interval.low, interval.high) == pytest.approx(report.intervals[name], abs=1e-12)
    for name, entry in compared.items():
        one, other = (query_scores(found, KS).scores[name] for found in (main, control))
        assert entry.differences["control"] == bootstrap_interval(one - other, main.labels, seed=3), name


def test_whole_rankings_are_not_made_for_too_many_images(monkeypatch):
    monkeypatch.setattr(query_scores_module, "GRADED", 59)
    assert list(query_scores(embeddings(), KS).scores) == ["R@1", "R@2", "MAP@R"]


def test_differences_that_hold_zero_are_called_none_and_others_have_a_direction():
    main = embeddings()
    same, worse = main, replace(main, points=main.points[torch.randperm(60)])
    texts = against_controls("ours", compare_arms(main, {"same": same, "worse": worse}, KS), 12)
    assert texts[0].startswith("ours against same, same seed and batches: R@1 +0.0 (+0.0 to +0.0)")
    assert texts[0].endswith("no difference that one seed can show.")
    assert "higher" not in texts[0]
    assert re.search(r"R@1 \+[\d.]+ \(\+[\d.]+ to \+[\d.]+\), higher", texts[1])
    assert "With 12 classes, fewer than 20" in texts[2]
    turned = against_controls("ours", compare_arms(worse, {"better": main}, KS), 30)
    assert re.search(r"R@1 -[\d.]+ \(-[\d.]+ to -[\d.]+\), lower", turned[0])
    assert "fewer" not in turned[1]
    assert against_controls("ours", compare_arms(main, {}, KS), 30) == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run as training leaves it, of embeddings that were never trained."""
    home = tmp_path_factory.mktemp("report")
    root, folder = make_cub(home / "cub"), home / "run"
    config = settings(root)
    create_run(config, folder)
    (folder / "env.json").write_text(json.dumps({"packages": {"torch": "2.1", "gone": None}, "gpus": [], "config": {}}))
    part = load_splits(config.data).test
    main, control = arms_of(config, folder)[::-1]
    own = of_part(part)
    sets = [(main, own), (control, moved(own))]
    for arm, found in sets:
        arm.folder.mkdir(parents=True, exist_ok=True)
        found.save(arm.folder / "embeddings.safetensors")
        for step in range(1, 4):
            append(folder / "metrics.jsonl", {"arm": arm.title, "step": step, "metric": 1.0, "loss": 2.0 / step})
    rows = [Row(arm.title, figures(found), 3.0) for arm, found in sets]
    result = RunResult(
        rows=(Row("untrained backbone", rows[0].figures, 0.0), rows[1], rows[0]),
        trees=tree_rows(main.title, config, own.points, part, own.proxies, own.points),
        radius=radii(config, own.points, own.proxies, part.labels),
        images=len(part),
        classes=part.num_classes,
        steps=3,
    )
    save_result(folder, result)
    find(config, folder, result, keep=True)  # the tree is kept, and need not be grown by every test
    assert (folder / "tree" / "scores.json").is_file()
    return config, folder, result


def of_part(part):
    torch.manual_seed(0)
    n = len(part)
    centres = torch.randn(part.num_classes, 8)
    points = expmap0(centres[torch.from_numpy(part.labels)] + 0.7 * torch.randn(n, 8), 0.1)
    return EmbeddingSet(
        points,
        0.1,
        labels=torch.from_numpy(part.labels),
        levels=torch.from_numpy(part.levels),
        level_names=part.level_names,
        class_names=part.class_names,
        proxies=expmap0(torch.randn(6, 8), 0.1),
        ks=KS,
        image_size=32,
    )


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the run, to write into."""
    config, folder, result = finished
    shutil.copytree(folder, tmp_path / "run")
    return config, tmp_path / "run", result


def page_of(config, folder, result, **options):
    return Page(report_page(retrieval_report(folder, config, find(config, folder, result, keep=True, **options))))


SECTIONS = [
    "Figures",
    "Curves",
    "What is found",
    "Tree of the images",
    "Trees of proxies",
    "Radii",
    "Picture",
    "Recipe and environment",
    "What to try next",
]


def test_the_page_of_a_run(run):
    config, folder, result = run
    found = page_of(config, folder, result)
    assert found.said("h1") == ["run, seed 0"]
    assert found.said("h2") == found.said("a") == SECTIONS
    control, main = (row.title for row in result.rows[1:])
    assert {"untrained backbone", control, main} <= set(found.said("th"))
    assert any(text == f"minus {control}, points" for text in found.said("th"))
    for name, value in result.rows[-1].figures.items():
        assert name in found.said("th")
        assert f"{100 * value:.1f}" in found.said("td")
        assert any(text.startswith(f"{100 * value:.1f} % (") for text in found.said("td")), name
    sources = found.attributes("img", "src")
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert len(sources) > 20
    assert found.attributes("img", "alt")[-1] == "Poincaré disk of run"
    assert (folder / "disk.png").stat().st_size > 10_000
    marks = [text for text in found.said("p") if re.match(r"\d [✓≈✗]", text)]
    frames = [kind for kind in found.attributes("figure", "class") if kind in ("same", "near", "other")]
    assert [{"✓": "same", "≈": "near", "✗": "other"}[mark[2]] for mark in marks] == frames
    assert "2.1" in found.said("td")
    assert "not installed" in found.said("td")
    assert any("embedding_size: 8" in text for text in found.said("pre"))
    assert any("hyperdml eval" in text for text in found.said("code"))
    again = page_of(config, folder, result)
    assert again.tags == found.tags
    assert again.texts == found.texts


def test_tree_scores_within_two_deviations_are_in_grey_words_and_all(run):
    config, folder, result = run
    found = find(config, folder, result, keep=False)
    near = [row.name for row in found.hierarchy.scores.rows() if any("not dist" in null.verdict for null in row.nulls)]
    page = Page(report_page(retrieval_report(folder, config, found)))
    faint = [text for text in page.said("td") if "not distinguishable from chance" in text]
    assert len(near) <= len(faint)
    assert bool(near) == bool(faint)
    beat = sum(row.beats for row in found.hierarchy.scores.rows())
    total = len(found.hierarchy.scores.rows())
    assert f"The tree of the images is better than each of its null models by {beat} of {total} scores." in page.said(
        "p"
    )


def test_purities_within_two_deviations_are_in_grey(finished):
    result = finished[2]
    (tree,) = [tree for tree in result.trees if tree.source == LEARNED]

    def purity(z):
        return Score(0.1 + 0.01 * z, {DIRECTIONS: Null(0.0, 0.001, 99.0), RADII: Null(0.1, 0.01, z)})

    first, *others = tree.report.purity
    report = replace(tree.report, purity={first: purity(1.9)} | {level: purity(2.1) for level in others})
    (section,) = proxy_trees_section(replace(result, trees=(replace(tree, report=report),)))
    table = section.blocks[0]
    assert table.faint == {(0, table.header.index(first))}


def test_images_that_are_gone_leave_all_else(run, tmp_path):
    config, folder, result = run
    lost = replace(config, data=replace(config.data, root=str(tmp_path / "moved")))
    found = find(lost, folder, result, keep=False)
    assert found.subject.images is not None  # the folder's own configuration says where they are
    text = (folder / "config.yaml").read_text().replace(str(config.data.root), str(tmp_path / "moved"))
    (folder / "config.yaml").write_text(text)
    page = page_of(lost, folder, result)
    assert page.said("h2") == SECTIONS
    assert any(text.startswith("There are no images to show:") and "moved" in text for text in page.said("p"))
    assert any(text.startswith("No images:") for text in page.said("p"))
    assert len(page.attributes("img", "src")) == 1  # the disk
    assert f"minus {result.rows[1].title}, points" in page.said("th")


def test_embeddings_that_are_gone_leave_what_the_run_wrote(run):
    config, folder, result = run
    (folder / "embeddings.safetensors").unlink()
    (folder / "metrics.jsonl").unlink()
    (folder / "env.json").write_text("{")
    page = page_of(config, folder, result)
    assert page.said("h2") == [name for name in SECTIONS if name not in ("What is found", SECTIONS[3], "Picture")]
    said = page.said("p")
    assert any(text.startswith("No embeddings:") and "embeddings.safetensors" in text for text in said)
    assert "metrics.jsonl is not there, so there are no curves." in said
    assert "env.json is not there, so versions and hardware are not known." in said
    assert result.rows[1].title in page.said("th")


def test_a_control_without_embeddings_keeps_its_row(run):
    config, folder, result = run
    (folder / "controls" / "metric" / "embeddings.safetensors").unlink()
    page = page_of(config, folder, result)
    assert result.rows[1].title in page.said("th")
    assert f"minus {result.rows[1].title}, points" not in page.said("th")
    assert any("one seed" in text for text in page.said("p"))


def test_names_of_classes_arms_and_folders_stay_text(run, tmp_path):
    config, folder, result = run
    name = "</td><script>alert(1)</script>"
    stored = EmbeddingSet.load(folder)
    replace(stored, class_names=tuple(f"{name}{k}" for k in range(len(stored.class_names)))).save(
        folder / "embeddings.safetensors"
    )
    shutil.copytree(folder, tmp_path / name.replace("/", "\u2215"))
    rows = tuple(replace(row, title=f"{row.title}{name}") for row in result.rows)
    strange = replace(result, rows=rows, trees=())
    page = page_of(config, tmp_path / name.replace("/", "\u2215"), strange)
    assert not page.attributes("script", "src")
    assert "script" not in [tag for tag, _ in page.tags]
    assert rows[0].title in page.said("th")
    assert any(text.startswith(name) for text in page.said("p"))


def test_the_record_holds_everything_and_nothing_is_written(run):
    config, folder, result = run
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    record = json.loads(json.dumps(find(config, folder, result, keep=False, images=False).record(folder, config)))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert record["config"]["evaluation"]["draws"] == 2
    main, control = result.rows[-1], result.rows[1]
    assert record["rows"][-1]["figures"] == main.figures
    assert set(record["intervals"]) == set(main.figures)
    for name, value in main.figures.items():
        interval = record["intervals"][name]
        assert interval["mean"] == pytest.approx(value, abs=1e-12)
        assert interval["low"] <= value <= interval["high"]
        change = record["differences"][control.title][name]["mean"]
        assert change == pytest.approx(value - control.figures[name], abs=1e-12)
    purity = next(row for row in record["hierarchy"] if row["name"].startswith("dendrogram purity"))
    assert {null["name"] for null in purity["nulls"]} >= {"labels shuffled"}
    assert control.title in purity["controls"]
    assert record["environment"] == {"packages": {"torch": "2.1", "gone": None}, "gpus": []}
    assert record["radius"]["proxies"] == 6
    assert record["trees"]
    assert 0 < record["triplet_interval"]["low"] < record["triplet_interval"]["high"] < 1
    assert record["missing"] == {}


def test_tree_and_view_read_the_hierarchy_that_the_report_kept(run, monkeypatch, capsys):
    def fail(*arguments, **options):
        raise AssertionError("grown again")

    monkeypatch.setattr("hyperdml.training.hierarchy.hierarchy_of", fail)
    _, folder, _ = run
    before = (folder / "tree" / "scores.json").read_bytes()
    tree(folder, json=True)
    record = json.loads(capsys.readouterr().out)
    assert (record["draws"], record["seed"]) == (2, 0)
    view(folder, layout=("tangent-pca",), thumbnails=0)
    assert "labels shuffled" in (folder / "hierarchy.html").read_text()
    assert (folder / "tree" / "scores.json").read_bytes() == before


def test_a_control_of_other_data_is_named(run):
    config, folder, result = run
    arm = arms_of(config, folder)[0].folder
    EmbeddingSet.load(arm).select(torch.arange(5)).save(arm / "embeddings.safetensors")
    with pytest.raises(DataError, match=r"run: arm .*: 5 rows for \d+ points"):
        subject_of(folder, images=False)
    page = page_of(config, folder, result)
    assert any("5 rows for" in text for text in page.said("p"))


def test_a_part_that_cannot_be_made_is_named(run, monkeypatch):
    def fail(*arguments, **options):
        raise ValueError("no two leaves <b>")

    monkeypatch.setattr(findings_module, "run_hierarchy", fail)
    monkeypatch.setattr(picture_module, "draw_disk", fail)
    monkeypatch.setattr(retrieved_module, "retrieval_rows", fail)
    config, folder, result = run
    page = page_of(config, folder, result)
    assert page.said("h2") == SECTIONS
    assert "No tree: no two leaves <b>." in page.said("p")
    assert page.said("p").count("Not made: no two leaves <b>.") == 2


def lines_of(blocks):
    return {chart.title: chart.lines for block in blocks if isinstance(block, Charts) for chart in block.charts}


def test_curves_are_means_over_stretches_of_the_log(tmp_path):
    log = tmp_path / "metrics.jsonl"
    for arm in ("a", "b"):
        for step in range(1, 251):
            append(log, {"arm": arm, "step": step, "metric": float(step), "loss": None if step <= 3 else 1.0})
        append(log, {"arm": arm, "step": 250, "validation": {"R@1": 0.5, "nll": 3.0}, "radii": {"proxies": 3}})
    log.write_text(log.read_text() + '{"arm": "b", "step": 251, "met')  # cut off by a crash
    blocks = log_blocks(read_log(log))
    found = lines_of(blocks)
    assert list(found) == ["loss, whole", "metric loss", "R@1, %"]
    (a, b) = found["metric loss"]
    assert (a.name, b.name) == ("a", "b")
    assert len(a.x) == 84
    assert (a.x[0], a.y[0]) == (2.0, 2.0)
    assert (a.x[-1], a.y[-1]) == (250.0, 250.0)
    assert math.isnan(found["loss, whole"][0].y[0])
    assert found["loss, whole"][0].y[1:] == [1.0] * 83
    assert (found["R@1, %"][0].x, found["R@1, %"][0].y) == ([250.0], [50.0])
    texts = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert texts == ["Each point is the mean over 3 steps.", "On the validation part, along the way."]


def test_the_histogram_counts_every_image_and_proxy():
    found = embeddings()
    (chart,) = radius_charts(found).charts
    for line, count in zip(chart.lines, (60, 6), strict=True):
        assert sum(line.y[::2]) == pytest.approx(100)
        assert all(share * count / 100 == pytest.approx(round(share * count / 100)) for share in line.y)
    sphere = replace(found, points=expmap0(torch.nn.functional.normalize(torch.randn(60, 8)), 0.1), proxies=None)
    (chart,) = radius_charts(sphere).charts
    assert max(chart.lines[0].y) == 100
    assert chart.lines[0].x[-1] - chart.lines[0].x[0] == pytest.approx(1)


def test_in_shop_has_queries_that_are_not_left_out(tmp_path):
    config = settings(make_in_shop(tmp_path / "shop"), data={"name": "in_shop", "complete": False, "image_size": 32})
    config = replace(config, data=replace(config.data, root=str(tmp_path / "shop")))
    part = load_splits(config.data).test
    found = replace(of_part(part), queries=torch.from_numpy(part.queries), gallery=torch.from_numpy(part.gallery))
    masks = {"queries": part.queries, "gallery": part.gallery}
    expected = score(found.points, part.labels, part.levels, part.level_names, (1,), 0.1, **masks)
    for name, values in query_scores(found, (1,)).scores.items():
        assert float(values.nanmean()) == pytest.approx(expected[name], abs=1e-12)


FIGURES = {"top1": 0.5, "top5": 0.75, "accuracy/group": 0.9, "accuracy/emoji": 0.5, "hF1": 0.7, "nll": 2.0}


def test_the_report_of_a_classification(tmp_path):
    config = classify_config(data={"held_out": "twemoji", "evaluate_on": "validation"})
    rows = (Row("cross-entropy", FIGURES, 1.0), Row("HACE 0.5", {**FIGURES, "top1": 0.525}, 1.0))
    for row in rows:
        append(tmp_path / "metrics.jsonl", {"arm": row.title, "step": 1, "loss": 4.0})
        append(tmp_path / "metrics.jsonl", {"arm": row.title, "step": 1, "validation": dict(row.figures)})
    result = ClassifyResult(rows, 40, 120, 137, "validation")
    found = Page(report_page(classify_report(tmp_path, config, result)))
    assert found.said("h2") == ["Figures", "Curves", "Recipe and environment", "What to try next"]
    for name in FIGURES:
        assert name in found.said("th")
    assert {"52.5", "50.0", "2.000"} <= set(found.said("td"))
    assert any("40 validation images of emoji (held out: twemoji)" in text for text in found.said("p"))
    assert any("against cross-entropy top-1 +2.5" in text for text in found.said("p"))
    assert {"top1, %", "hF1, %"} <= set(found.said("figcaption"))
    record = json.loads(json.dumps(classify_record(tmp_path, config, result)))
    assert record["rows"][1]["figures"]["top1"] == 0.525
    assert record["config"]["task"] == "classification"
    assert record["environment"] is None
