"""The searches as drop-in for pytorch-metric-learning's FaissKNN: accuracy calculator and inference model."""

import pytest
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN, InferenceModel, MatchFinder
from synthetic import tree_points

from hyperdml.errors import DataError
from hyperdml.integrations import PoincareDistance
from hyperdml.neighbors import CosineKNN, EuclideanKNN, HyperbolicKNN
from hyperdml.neighbors.ivf import IVF

C = 0.1
SEARCHES = {
    "exact": lambda: HyperbolicKNN(C),
    "torch": lambda: HyperbolicKNN(C, engine="torch"),
    "all lists": lambda: HyperbolicKNN(C, approximate=IVF(lists=8, probes=8)),
}
SCORES = ("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_average_precision")


def calculator(knn, k):
    return AccuracyCalculator(include=SCORES, k=k, device=torch.device("cpu"), knn_func=knn)


@pytest.mark.filterwarnings("ignore:all .* points have the same norm")  # half of the cases are on one sphere
@pytest.mark.parametrize("k", [None, "max_bin_count", 7])
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("spread", [False, True])
def test_accuracy_equals_that_of_the_full_distance_matrix(spread, name, k):
    x, labels, _ = tree_points(240, 24, spread)
    slow = calculator(CustomKNN(PoincareDistance(c=C)), k)
    fast = calculator(SEARCHES[name](), k)
    x = x.double()
    assert fast.get_accuracy(x, labels) == pytest.approx(slow.get_accuracy(x, labels))
    query = (x[:60], labels[:60], x[60:], labels[60:])
    assert fast.get_accuracy(*query) == pytest.approx(slow.get_accuracy(*query))
    first = (x[:60], labels[:60], x, labels, True)  # queries are the first rows of the reference
    assert fast.get_accuracy(*first) == pytest.approx(slow.get_accuracy(*first))


def test_accuracy_by_other_metrics_differs_on_mixed_radii():
    x, labels, _ = tree_points(240, 24, spread=True)
    scores = [calculator(knn, None).get_accuracy(x, labels) for knn in (HyperbolicKNN(C), CosineKNN(), EuclideanKNN())]
    names = ("mean_average_precision", "mean_average_precision_at_r")
    for name in names:
        values = [score[name] for score in scores]
        assert len({round(value, 6) for value in values}) == 3


@pytest.mark.parametrize("name", SEARCHES)
def test_inference_model(name, tmp_path):
    x = tree_points(90, 12, spread=True)[0]
    finder = MatchFinder(PoincareDistance(c=C), threshold=1e-3)
    model = InferenceModel(
        torch.nn.Identity(), knn_func=SEARCHES[name](), match_finder=finder, normalize_embeddings=False
    )
    model.train_knn(x[:50], batch_size=16)
    model.add_to_knn([*x[50:]], batch_size=16)
    expected = HyperbolicKNN(C)(x[:20], 5, x)
    for _ in range(2):
        distances, indices = model.get_nearest_neighbors(x[:20], k=5)
        assert torch.equal(indices, expected[1])
        assert torch.equal(distances, expected[0])
    model.save_knn_func(str(tmp_path / "knn"))

    other = InferenceModel(torch.nn.Identity(), knn_func=SEARCHES[name](), normalize_embeddings=False)
    other.load_knn_func(str(tmp_path / "knn"))
    assert torch.equal(other.get_nearest_neighbors(x[:20], k=5)[1], expected[1])
    other.train_knn(x[:10])  # replaces what was there
    assert other.get_nearest_neighbors(x[:20], k=10)[1].max() == 9

    assert model.is_match(x[:1], x[:1])
    assert model.is_match(x[:3], x[[0, 7, 2]]).tolist() == [True, False, True]
    assert model.get_matches(x[:6]).diagonal().all()


def test_inference_model_trains_on_a_data_set():
    x = tree_points(40, 6, spread=True)[0]
    model = InferenceModel(torch.nn.Identity(), knn_func=HyperbolicKNN(C), normalize_embeddings=False)
    model.train_knn(torch.utils.data.TensorDataset(x, torch.arange(40)), batch_size=7)
    assert model.get_nearest_neighbors(x, k=1)[1].flatten().tolist() == list(range(40))


def test_a_file_of_another_curvature_is_refused_by_the_inference_model(tmp_path):
    x = tree_points(40, 6, spread=True)[0] * 0.2
    first, second = (
        InferenceModel(torch.nn.Identity(), knn_func=HyperbolicKNN(c), normalize_embeddings=False) for c in (C, 1.0)
    )
    first.train_knn(x)
    first.save_knn_func(tmp_path / "knn")
    with pytest.raises(DataError, match=r"c=0.1.*c=1.0"):
        second.load_knn_func(tmp_path / "knn")


def test_normalised_embeddings_are_noticed():
    """The inference model normalises unless told not to, which makes every hyperbolic ranking a cosine ranking."""
    x = tree_points(40, 6, spread=True)[0]
    model = InferenceModel(torch.nn.Identity(), knn_func=HyperbolicKNN(C))
    with pytest.warns(UserWarning, match="L2-normalised"):
        model.train_knn(x)
