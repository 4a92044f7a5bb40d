"""The export for vector databases: its files, its rule, and a real engine that follows the rule."""

import hashlib
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import tree_points

import hyperdml.index.export as export_module
from hyperdml.errors import ConfigError
from hyperdml.index.export import export_index, rerank_exact
from hyperdml.index.index import HyperbolicIndex
from hyperdml.neighbors import HyperbolicKNN, make_knn

C = 0.1
PAGE = Path(__file__).parents[2] / "docs" / "vector_database.md"
needs_lancedb = pytest.mark.skipif(importlib.util.find_spec("lancedb") is None, reason="needs the package lancedb")


def make_index(n=300, dim=16, spread=True, **options):
    return HyperbolicIndex.build(tree_points(n, dim, spread)[0], c=C, **options)


def exported(index, folder, **options):
    export_index(index, folder, **options)
    return json.loads((folder / "export.json").read_text())


def recall(found, expected):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, expected, strict=True)])


@pytest.mark.parametrize("spread", [False, True])
def test_reranking_gives_the_exact_order(spread):
    x = tree_points(200, 12, spread)[0]
    query, reference = x[:20], x[20:]
    shuffled = torch.stack([torch.randperm(180) for _ in range(20)])
    distances, order = rerank_exact(query, reference[shuffled], C, 7)
    expected = HyperbolicKNN(C)(query.double(), 7, reference.double())
    assert distances.dtype == torch.float64
    torch.testing.assert_close(distances, expected[0], rtol=1e-12, atol=0)
    assert torch.equal(shuffled.gather(1, order), expected[1])
    for row in range(3):
        one = rerank_exact(query[row].numpy(), reference[shuffled[row]].numpy(), C, 7)
        assert torch.equal(one[0], distances[row])
        assert torch.equal(one[1], order[row])
    euclidean = make_knn("euclidean")(query, 7, reference)[1]
    assert torch.equal(euclidean, expected[1]) != spread


def test_equal_distances_keep_their_order():
    candidates = torch.tensor([[0.5, 0.0], [0.1, 0.0], [0.5, 0.0], [0.1, 0.0]])
    assert rerank_exact(torch.tensor([0.1, 0.0]), candidates, 1.0, 4)[1].tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize(
    ("query", "candidates", "k", "message"),
    [
        (torch.zeros(3), torch.zeros(5, 2), 1, r"got \(3,\) and \(5, 2\)"),
        (torch.zeros(4, 2), torch.zeros(5, 2), 1, r"got \(4, 2\) and \(5, 2\)"),
        (torch.zeros(2), torch.zeros(2), 1, r"\(\.\.\., M, d\) candidates"),
        (torch.zeros(2), torch.zeros(5, 2), 6, "from 1 to the 5 candidates, got 6"),
        (torch.zeros(2), torch.zeros(5, 2), 0, "got 0"),
    ],
)
def test_errors_of_reranking(query, candidates, k, message):
    with pytest.raises(ValueError, match=message):
        rerank_exact(query, candidates, 1.0, k)


def test_files(tmp_path):
    x = tree_points(40, 5, spread=True)[0]
    ids = [f"ü{i}\n" for i in range(40)]
    metadata = [{"n": i} for i in range(40)]
    index = HyperbolicIndex.build(x.double(), ids, c=C, metadata=metadata, model="1f2e", info={"root": "/photos"})
    folder = tmp_path / "new" / "export"
    description = exported(index, folder, k=3)
    vectors = np.load(folder / "vectors.npy", allow_pickle=False)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, x.numpy())
    for name, expected in {"ids.jsonl": ids, "metadata.jsonl": metadata}.items():
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == expected
    assert {key: description[key] for key in ("count", "dimension", "c", "model", "info")} == {
        "count": 40,
        "dimension": 5,
        "c": C,
        "model": "1f2e",
        "info": {"root": "/photos"},
    }
    assert description["files"].keys() == {path.name for path in folder.iterdir()} - {"export.json"}
    for name, facts in description["files"].items():
        data = (folder / name).read_bytes()
        assert facts == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    words = (folder / "README.md").read_text()
    rule = description["search"]
    assert f"for the {rule['candidates']} nearest vectors" in words
    assert "c = 0.1" in words
    assert "{" not in words
    name = re.search(r"In Python: `(\S+)\(", words)[1]
    room, function = name.rsplit(".", 1)
    assert getattr(importlib.import_module(room), function) is rerank_exact


@pytest.mark.parametrize("block", [1 << 24, 1000])
@pytest.mark.parametrize("spread", [False, True])
def test_the_rule_counts_what_the_sample_needs(tmp_path, monkeypatch, spread, block):
    monkeypatch.setattr(export_module, "_BLOCK", block)
    monkeypatch.setattr(export_module, "_SAMPLE", 60)
    index = make_index(240, 16, spread)
    rule = exported(index, tmp_path, k=5)["search"]
    x, sample = index.points, torch.arange(60) * 4
    near = HyperbolicKNN(C)(x, 5, x, True)[1][sample]
    flat = make_knn("euclidean")(x, 239, x, True)[1][sample]
    needed = [(flat[i][:, None] == near[i]).any(1).nonzero().max().item() + 1 for i in range(60)]
    assert rule["sample"] == 60
    assert rule["needed_at_most"] == max(needed)
    assert rule["needed_median"] == sorted(needed)[30]
    assert rule["candidates"] == 2 * max(needed)
    assert (max(needed) > 5) == spread


def test_following_the_rule_finds_the_exact_neighbours(tmp_path):
    """With an engine that searches exactly by Euclidean distance, the sample's candidates are enough for others."""
    index = make_index(1500, 32)
    description = exported(index, tmp_path)
    vectors = torch.from_numpy(np.load(tmp_path / "vectors.npy"))
    queries = tree_points(1600, 32, spread=True)[0][1500:]
    fetched = make_knn("euclidean")(queries, description["search"]["candidates"], vectors)[1]
    order = rerank_exact(queries, vectors[fetched], description["c"], 10)[1]
    expected = index.search(queries, 10).ids
    assert recall(fetched.gather(1, order).tolist(), expected) > 0.999
    assert recall(fetched[:, :10].tolist(), expected) < 0.97


def test_an_approximate_or_tiny_index(tmp_path):
    index = HyperbolicIndex.build(torch.zeros(3, 2), c=C)
    rule = exported(index, tmp_path, k=2)["search"]
    assert (rule["candidates"], rule["needed_at_most"]) == (3, 2)


@pytest.mark.parametrize(
    ("index", "k", "message"),
    [
        (HyperbolicIndex.build(torch.rand(5, 2), c=C, metric="cosine"), 1, "by hyperbolic distance .* got 'cosine'"),
        (HyperbolicIndex.build(torch.rand(5, 2), c=C), 5, "k must be from 1 to 4, .* got 5"),
        (HyperbolicIndex.build(torch.rand(5, 2), c=C), 0, "got 0"),
        (HyperbolicIndex.build(torch.tensor([[0.0], [1 - 1e-9]], dtype=torch.float64), c=1.0), 1, "points row 1 lies"),
    ],
)
def test_errors(tmp_path, index, k, message):
    with pytest.raises(ValueError, match=message):
        export_index(index, tmp_path / "export", k=k)
    assert not (tmp_path / "export").exists()


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for folder in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(ConfigError, match="exists and is not empty"):
            export_index(make_index(30), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    write = export_module.write_atomic

    def full(path, data):
        if path.name == "export.json":
            raise OSError("no space left")
        write(path, data)

    monkeypatch.setattr(export_module, "write_atomic", full)
    with pytest.raises(OSError, match="no space left"):
        export_index(make_index(30), tmp_path)
    assert not list(tmp_path.iterdir())


@needs_lancedb
@pytest.mark.parametrize("spread", [False, True])
def test_lancedb_follows_the_rule(tmp_path, spread):
    import lancedb
    import pyarrow as pa
    from lancedb.index import IvfFlat

    x = tree_points(4100, 64, spread)[0]
    x = x[torch.randperm(4100)]
    queries, index = x[:100], HyperbolicIndex.build(x[100:], c=C)
    description = exported(index, tmp_path / "export")
    vectors = np.load(tmp_path / "export" / "vectors.npy")
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    table = lancedb.connect(tmp_path / "db").create_table("points", pa.table({"id": np.arange(4000), "vector": lists}))
    table.create_index("vector", config=IvfFlat(distance_type="l2", num_partitions=64))
    plain, exact = [], []
    for query in queries:
        search = table.search(query.numpy()).nprobes(20).limit(description["search"]["candidates"])
        found = search.to_arrow()
        ids = found["id"].to_numpy()
        candidates = np.stack(found["vector"].to_numpy())
        plain.append(ids[:10].tolist())
        exact.append(ids[rerank_exact(query, candidates, C, 10)[1].numpy()].tolist())
    expected = index.search(queries, 10).ids
    assert recall(exact, expected) >= 0.99
    assert (recall(plain, expected) < 0.97) == spread


@needs_lancedb
def test_the_example_of_the_documentation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python lancedb\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    exec(compile(code, str(PAGE), "exec"), {"__name__": "documentation"})
    assert float(re.search(r"recall@10 ([\d.]+)", capsys.readouterr().out)[1]) >= 0.99
