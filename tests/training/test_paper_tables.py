"""Tables and figures of the HIER paper: published numbers, runs behind the cells, layout, a small run."""

import json
import math
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import paper_runs
import paper_tables
from hace_statements import Count, follows, shown
from paper_cells import (
    AXES,
    METHODS,
    RECIPE_NETS,
    Run,
    distinct,
    figure_runs,
    make_arm,
    recipe_run,
    steps_of,
    table_runs,
)
from paper_layout import Ours, figure_section, table_section
from paper_published import DATA, FIGURES, FIRST, PROXIES, RECALLS, TABLE_1, TABLES, TRAINING
from paper_statements import row_cells, statements

from hyperdml.data.miniatures import make_cub
from hyperdml.training.compare import Record
from hyperdml.training.compare.arms import digest
from hyperdml.training.retrieval.config import TrainConfig

CELLS = row_cells(TABLE_1, RECALLS)

# R@1 on CUB, Cars, SOP and In-Shop, typed a second time from other notes on the paper
HYP = {
    "De-128": "74.7/82.1/83.0/90.9",
    "DN-128": "78.3/86.0/84.6/92.6",
    "V-128": "84.0/82.7/85.5/92.7",
    "De-384": "77.8/86.4/83.3/90.5",
    "DN-384": "80.9/89.2/85.1/92.4",
    "V-384": "85.6/86.5/85.9/92.5",
    "R-512": "65.5/81.9/79.9/90.1",
}
HIER = {
    "De-128": "75.2/85.1/82.5/91.0",
    "DN-128": "78.5/88.4/84.9/92.6",
    "V-128": "84.2/86.4/85.6/92.7",
    "De-384": "78.7/88.9/83.0/90.6",
    "DN-384": "81.1/91.3/85.7/92.5",
    "V-384": "85.7/88.3/86.1/92.8",
    "R-512": "70.1/88.2/80.2/92.4",
}
TABLE_2 = {
    "PA": "74.7/84.3/82.3/90.4",
    "PA + HIER_sph": "75.1/84.8/82.4/90.6",
    "PA + HIER": "75.2/85.1/82.5/91.0",
    "MS": "75.4/83.5/80.0/88.1",
    "MS + HIER_sph": "75.6/83.6/80.0/88.0",
    "MS + HIER": "75.8/84.3/80.0/88.2",
}


def firsts(cells):
    return "/".join(f"{cells[column]:.1f}" for column in FIRST)


def test_published_cells_are_those_of_a_second_transcript():
    for method, rows in (("Hyp", HYP), ("HIER", HIER)):
        found = {row.title.partition(", ")[2] for row in TABLE_1 if row.method == method}
        assert found == set(rows)
        for where, figures in rows.items():
            assert firsts(CELLS[f"{method}, {where}"]) == figures
    two = row_cells(TABLES["2"].rows, FIRST)
    assert {title.removesuffix(", De-128"): firsts(cells) for title, cells in two.items()} == TABLE_2


@pytest.mark.parametrize("name", TABLES)
def test_published_rows_are_whole_and_recall_rises_with_k(name):
    table = TABLES[name]
    assert len({row.title for row in table.rows}) == len(table.rows)
    for row in table.rows:
        assert len(row.cells) == len(table.columns)
        for data in DATA.values():
            cells = [
                cell
                for (where, _), cell in zip(table.columns, row.cells, strict=True)
                if where == data and cell is not None
            ]
            assert all(30 < cell < 100 for cell in cells)
            assert cells == sorted(cells)


def test_table_1_is_split_in_two_without_loss():
    assert len(TABLE_1) == 29
    assert {*TABLES["1"].rows, *TABLES["1-others"].rows} == set(TABLE_1)
    assert [row.method for row in TABLE_1 if "published figures only" in row.mark] == ["MIC", "IRT_R", "IRT_R"]


def test_tables_and_figures_agree_where_they_show_the_same_models():
    two = row_cells(TABLES["2"].rows, FIRST)
    for column in FIRST:
        assert two["PA + HIER, De-128"][column] == CELLS["HIER, De-128"][column]
    for (method, dim), value in FIGURES["6"].known.items():
        assert CELLS[f"{method}, V-{dim}"]["In-Shop", "R@1"] == value
    assert FIGURES["7"].known["lambda", "0"] == two["PA, De-128"]["Cars", "R@1"]


def published(name):
    table = TABLES[name]
    return {**(CELLS if name != "2" else {}), **row_cells(table.rows, table.columns)}


def test_what_of_the_text_does_not_follow_from_the_printed_cells():
    wrong = {}
    for name, table in TABLES.items():
        found = statements(name, published(name))
        assert set(table.prose) <= set(found)
        wrong |= {(name, key): shown(found[key]) for key, said in table.prose.items() if not follows(said, found[key])}
    assert wrong == {
        ("1-others", "Cars: HIER's 128 dimensions above every CNN's 512 of others"): "1 of 3",
        ("2", "HIER above the metric loss"): "7 of 8",
        ("2", "HIER above HIER_sph"): "7 of 8",
    }
    best = statements("1-others", CELLS)["ViT: HIER's R@1 above all others of its net and dimension"]
    assert best == Count(18, 24)


def test_statements_by_hand():
    cells = {
        "PA, De-128": {("CUB", "R@1"): 1.0, ("Cars", "R@1"): 2.0},
        "PA + HIER, De-128": {("CUB", "R@1"): 1.5, ("Cars", "R@1"): 2.0},
    }
    assert statements("2", cells) == {"HIER above the metric loss": Count(1, 2), "mean gain of HIER over PA": 0.25}
    curves = {
        "HIER": {("32", "R@1"): 1.0, ("128", "R@1"): 3.0, ("256", "R@1"): 2.0},
        "Hyp": {("32", "R@1"): 2.0, ("128", "R@1"): 1.0, ("256", "R@1"): 0.0, ("384", "R@1"): 0.5},
    }
    assert statements("figure 6", curves) == {
        "HIER above Hyp": Count(2, 3),
        "HIER rises from one dimension to the next": Count(1, 2),
        "Hyp falls from one dimension to the next above 128": Count(1, 2),
    }
    assert statements("2", {}) == statements("1", cells) == {}


def test_proxies_of_table_4_are_ten_to_a_training_class():
    assert {data: count / TRAINING[data][1] for data, count in PROXIES.items()} == dict.fromkeys(PROXIES, 10.0)


def test_every_cell_with_a_figure_has_its_recipe_and_no_other_cell():
    for name, table in TABLES.items():
        rows = table_runs(name, "official")
        for row in table.rows:
            wanted = {head[0] for head, cell in zip(table.columns, row.cells, strict=True) if cell is not None}
            if "published figures only" in row.mark:
                wanted = set()
            runs = rows[row.title]
            assert {DATA[data] for data in runs} == wanted
            for data, run in runs.items():
                assert run.recipe.startswith(f"{data}-{RECIPE_NETS[row.net]}-")
                assert run.zero_shot == (row.mark == "frozen backbone, nothing trained")
            for data, run in list(runs.items())[:1]:
                config = make_arm(run, {data: "/nowhere"}, [], []).config
                assert isinstance(config, TrainConfig)
                assert (config.data.name, config.data.root) == (data, "/nowhere")
                assert config.model.head.embedding_size == row.dim


@pytest.mark.parametrize("data", DATA)
def test_runs_give_the_figures_of_the_columns(data):
    wanted = {figure for table in TABLES.values() for where, figure in table.columns if where == DATA[data]}
    assert {f"R@{k}" for k in config_of(data, "De", "pa_hier").evaluation.ks} >= wanted


def test_methods_are_trained_as_they_are_called():
    losses = {
        method: make_arm(recipe_run("sop", "R", 512, recipe, "official"), {}, [], []).config
        for method, recipe in METHODS.items()
    }
    names = {method: config.metric_loss.name for method, config in losses.items()}
    assert names["HIER"] == names["PA"] == "ProxyAnchorLoss"
    assert names["MS"] == names["MS + HIER"] == "MultiSimilarityLoss"
    assert (names["HTL"], names["SoftTriple"], names["Hyp"]) == ("HierarchicalTripletLoss", "SoftTripleLoss", "HypLoss")
    assert losses["SoftTriple"].metric_loss.options.get("centers_per_class", 10) == 10
    assert losses["XBM"].metric_loss.memory
    with_hier = {method for method, config in losses.items() if config.hier.weight > 0}
    assert with_hier == {method for method in METHODS if "HIER" in method}
    assert losses["PA + HIER_sph"].hier.geometry == "spherical"
    weights = [
        make_arm(recipe_run("cub", "V", 384, "pa_hier", variant), {}, [], []).config.hier.weight
        for variant in ("official", "paper")
    ]
    assert weights == [0.5, 1.0]


def test_a_recipe_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no recipe trains magic with deit_s on cub"):
        recipe_run("cub", "De", 128, "magic", "official")


def test_steps_on_the_whole_releases_are_those_of_the_papers_code():
    official = {data: steps_of(config_of(data, "De", "pa_hier")) for data in DATA}
    assert official == {"cub": 3_200, "cars": 4_400, "sop": 49_500, "in_shop": 21_450}
    assert {data: steps_of(config_of(data, "V", "hyp")) for data in DATA} == {
        "cub": 50,
        "cars": 300,
        "sop": 5_000,
        "in_shop": 3_200,
    }


def config_of(data, net, method):
    return make_arm(recipe_run(data, net, 128, method, "official"), {}, [], []).config


def test_figure_6_varies_the_dimension_alone():
    for title, runs in figure_runs("6", "official").items():
        for place, run in runs.items():
            config = make_arm(run, {}, [], []).config
            assert config.model.head.embedding_size == int(place)
            assert (config.data.name, config.hier.weight > 0) == ("in_shop", title == "HIER")
            assert "vit_s" in run.recipe


@pytest.mark.parametrize("variant", ["official", "paper"])
def test_figure_7_varies_one_option_and_its_curves_share_the_default_point(variant):
    rows = figure_runs("7", variant)
    plain = recipe_run("cars", "De", 128, "pa_hier", variant)
    for curve, runs in rows.items():
        assert plain in runs.values()
        for place, run in runs.items():
            config = make_arm(run, {}, [], []).config
            if curve == "lambda" and place == "0":
                assert run == recipe_run("cars", "De", 128, "pa", variant)
            elif run != plain:
                key = AXES[curve][0].removeprefix("hier.")
                assert getattr(config.hier, key) == float(place)
    runs = distinct([rows])
    assert len(runs) == sum(len(values) for _, values in AXES.values()) - 3
    assert len({digest(make_arm(run, {}, [], []).config) for run in runs}) == len(runs)


def record(arm, seed, **figures):
    return Record(arm, seed, {}, {}, {k.replace("_", "@"): v for k, v in figures.items()}, None, 1.0, "", "")


def test_last_and_best_epoch_stand_apart():
    run = Run("cub", "made-up")
    best = {"R@1, best epoch": 0.75}
    first, second = record("made-up", 0, R_1=0.5), record("made-up", 1, R_1=0.7)
    ours = Ours([Record(**{**vars(first), "figures": {**first.figures, **best}}), second])
    assert ours.spread(run, "R@1").mean == pytest.approx(60)
    assert ours.spread(run, "R@1").sd == pytest.approx(math.sqrt(200))
    # the second seed's best epoch was its last
    assert ours.spread(run, "R@1", ", best epoch").mean == pytest.approx(72.5)
    assert ours.spread(None, "R@1").n == ours.spread(run, "R@2").n == 0
    rows = {"SoftTriple, De-128": {"cub": run}}
    text = table_section("4", rows, {"4": rows}, ours)
    assert "| SoftTriple, De-128, published | 72.7 | 82.7 |" in text
    assert "| SoftTriple, De-128, ours, last epoch | 60.0 ± 14.1 | - |" in text
    assert "| SoftTriple, De-128, ours, best epoch | 72.5 ± 3.5 | - |" in text
    plain = table_section("4", rows, {"4": rows}, Ours([second]))
    assert "| SoftTriple, De-128, ours, last epoch | 70.0 | - |" in plain
    assert "best epoch" not in plain


def test_a_figure_shows_what_is_known_of_the_published_curves():
    rows = figure_runs("6", "official")
    ours = Ours([record(run.name, 0, R_1=0.5 + 0.1 * i) for i, run in enumerate(rows["Hyp"].values())])
    text = figure_section("6", rows, ours, "")
    assert "| HIER, published | - | - | 92.7 | - | 92.8 |" in text
    assert "| Hyp, ours, last epoch | 50.0 | 60.0 | 70.0 | 80.0 | 90.0 |" in text
    assert "| HIER above Hyp | in all dimensions | 1 of 2 | - |" in text
    assert "| Hyp falls from one dimension to the next above 128 | always | 1 of 1 | 0 of 2 |" in text


def test_the_list_of_runs_needs_no_data(capsys):
    paper_tables.main(["--table", "1", "--nets", "R", "--dry-run", "--seeds", "3"])
    text = capsys.readouterr().out
    assert "  in_shop-resnet50-512-pa_hier: 21,450 steps of 180 images\n" in text
    images = 3 * 180 * (3_200 + 4_400 + 49_500 + 21_450) / 1e6
    assert text.endswith(f"4 different runs, 3 seeds: {images:.1f} million images\n")


def test_a_small_run_ends_in_the_tables_and_is_not_made_twice(tmp_path, capsys, monkeypatch):
    root = make_cub(tmp_path / "data")
    ledger = tmp_path / "ledger.jsonl"
    words = ["--table", "4", "--data-root", f"cub={root}", "--smoke", "--ledger", str(ledger)]
    paper_tables.main(words)
    text = capsys.readouterr().out
    records = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [one["arm"] for one in records] == ["cub-deit_s-128-softtriple", "cub-deit_s-128-pa_hier"]
    for one, title in zip(records, ("SoftTriple", "HIER"), strict=True):
        figures = [f"{100 * one['figures'][name]:.1f}" for name in ("R@1", "R@2")]
        assert f"| {title}, De-128, ours, last epoch | {' | '.join(figures)} | - |" in text
    assert [entry.name for entry in tmp_path.iterdir() if entry.name[0] != "." and entry.is_file()] == ["ledger.jsonl"]

    def refuse(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(paper_runs.Trainer, "__call__", refuse)
    paper_tables.main(words)
    assert capsys.readouterr().out == text


def test_zero_shot_figures_are_those_of_the_cosines(tmp_path, capsys):
    import torch

    from hyperdml.data import load_splits
    from hyperdml.models import feature_bank

    root = make_cub(tmp_path / "data")
    words = ["--table", "1-others", "--nets", "DN", "--data-root", f"cub={root}", "--smoke"]
    ledger = tmp_path / "ledger.jsonl"
    asked = paper_tables.read_arguments([*words, "--ledger", str(ledger)])
    rows = paper_tables.planned(asked.table, asked.figure, asked.variant, asked.nets)["1-others"]
    (run,) = [run for run in distinct([rows]) if run.zero_shot and run.data == "cub"]
    arm = make_arm(run, asked.roots, paper_tables.smoke(run), ["device=cpu"])
    (found,) = paper_runs.run_arms([], [arm], [0, 1], ledger, Quiet())
    test = load_splits(arm.config.data).test
    bank = feature_bank(
        arm.config.model, test.images, image_size=32, crop=arm.config.crop, views=1, seed=0, device=torch.device("cpu")
    )
    unit = torch.nn.functional.normalize(bank[:, 0].double(), dim=1)
    similar = (unit @ unit.T).fill_diagonal_(-2)
    labels = torch.from_numpy(test.labels)
    assert found.figures["R@1"] == pytest.approx((labels[similar.argmax(1)] == labels).double().mean().item())


class Quiet:
    def message(self, text): ...
    def start(self, title, total): ...
    def advance(self, count, figures): ...
    def end(self): ...


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a --table or --figure"),
        (["--table", "3"], "invalid choice"),
        (["--table", "1"], "give --data-root DATA=FOLDER"),
        (["--table", "1", "--data-root", "birds=."], "got birds=."),
        (["--table", "1", "--data-root", "cub=/no/such/folder"], "got cub=/no/such/folder"),
        (["--table", "1", "--data-root", "cub=.", "--seeds", "0"], "--seeds must be at least 1"),
        (["--table", "1", "--data-root", "cub=.", "seed=3"], "'seed=3' is not key=value, or"),
        (["--table", "1", "--data-root", "cub=.", "fast"], "'fast' is not key=value"),
        (["--figure", "7", "--data-root", "cars=.", "--variant", "ours"], "figure 7 varies options of the published"),
        (["--bundled", "--table", "1"], "a study of its own"),
        (["--bundled", "--studies", "all"], "invalid choice"),
    ],
)
def test_wrong_words_are_refused_by_name(words, message, capsys):
    with pytest.raises(SystemExit):
        paper_tables.read_arguments(words)
    assert message in capsys.readouterr().err


def test_tables_without_their_data_and_unknown_settings_end_with_one_line(tmp_path, capsys):
    ledger = ["--ledger", str(tmp_path / "l.jsonl")]
    with pytest.raises(SystemExit, match="no data: these are made with in_shop"):
        paper_tables.main(["--figure", "6", "--data-root", f"cub={tmp_path}", *ledger])
    with pytest.raises(SystemExit):
        paper_tables.main(["--table", "4", "--data-root", f"cub={tmp_path}", "optim.rate=1", *ledger])
    assert "rate" in capsys.readouterr().err
    assert not (tmp_path / "l.jsonl").exists()
