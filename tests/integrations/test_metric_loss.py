"""Metric losses put together by name: distance, miner, memory, and what cannot be."""

import warnings

import pytest
import torch
from pytorch_metric_learning import distances, losses, miners
from safetensors.torch import load, save

from hyperdml.errors import ConfigError
from hyperdml.geometry import expmap0
from hyperdml.integrations import HierarchicalTripletLoss, HypLoss, PoincareDistance, ReciprocalNeighborMiner
from hyperdml.integrations.cross_batch_memory import CrossBatchMemory
from hyperdml.integrations.metric_loss import class_tree_loss, create_metric_loss
from hyperdml.integrations.mined_loss import MinedLoss

CLASSES, WIDTH = 6, 8


def batch(seed=0, count=12):
    """Points of the balls of c up to 0.3, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    points = expmap0(torch.randn(count, WIDTH, generator=generator), 0.3)
    return points, torch.arange(count) // 2 % CLASSES


def create(name, options=None, **parts):
    return create_metric_loss(name, CLASSES, WIDTH, options or {}, **parts)


def test_hyp_uses_the_curvature_of_the_ball():
    points, labels = batch()
    for c in (0.1, 0.3):
        expected = HypLoss(0.5, distance=PoincareDistance(c))(points, labels)
        for distance in (None, "poincare"):
            assert create("HypLoss", {"temperature": 0.5}, distance=distance, c=c)(points, labels) == expected
    spherical = HypLoss(0.1, distance=distances.CosineSimilarity())(points, labels)
    assert create("HypLoss", {"temperature": 0.1}, distance="cosine")(points, labels) == spherical


@pytest.mark.parametrize(
    ("distance", "own"),
    [
        (None, distances.LpDistance()),
        ("euclidean", distances.LpDistance()),
        ("cosine", distances.CosineSimilarity()),
        ("poincare", PoincareDistance(0.1)),
    ],
)
def test_loss_and_miner_share_the_distance(distance, own):
    points, labels = batch()
    loss = create("TripletMarginLoss", {"margin": 0.3}, distance=distance, miner="BatchHardMiner")
    tuples = miners.BatchHardMiner(distance=own)(points, labels)
    assert loss(points, labels) == losses.TripletMarginLoss(0.3, distance=own)(points, labels, tuples)


def test_similarity_where_the_loss_has_one():
    """Multi-similarity needs large values for near points, so it gets -d."""
    points, labels = batch()
    own = losses.MultiSimilarityLoss(beta=2, distance=PoincareDistance(0.1, is_inverted=True))
    assert create("MultiSimilarityLoss", {"beta": 2}, distance="poincare")(points, labels) == own(points, labels)


@pytest.mark.parametrize("name", ["ProxyAnchorLoss", "ProxyNCALoss", "SoftTripleLoss", "NormalizedSoftmaxLoss"])
def test_class_weights_are_the_parameters_and_go_to_the_ball(name):
    points, labels = batch()
    for distance in (None, "poincare"):
        loss = create(name, distance=distance, c=0.2, clip_r=1.5)
        (weights,) = loss.parameters()
        loss(points, labels).backward()
        assert weights.numel() % (CLASSES * WIDTH) == 0
        assert weights.grad.abs().sum() > 0
    assert (loss.distance.c, loss.distance.is_inverted) == (0.2, True)


def test_proxynca_pp_probability_by_hand():
    """-log of e^(-9 d^2(x, p_y)) over the sum of all proxies, the right one too: temperature 1/9 of ProxyNCA++."""
    points, labels = batch()
    loss = create("ProxyNCALoss", {"softmax_scale": 9})
    x, p = (torch.nn.functional.normalize(y) for y in (points, loss.proxies))
    logits = -9 * (x[:, None] - p).square().sum(2)
    expected = torch.nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(loss(points, labels), expected)


def test_ours_by_name():
    assert isinstance(create("HierarchicalTripletLoss", {"levels": 4}), HierarchicalTripletLoss)
    mined = create("TripletMarginLoss", miner="ReciprocalNeighborMiner", miner_options={"k": 3}, c=20)
    assert isinstance(mined, MinedLoss)
    assert isinstance(mined.miner, ReciprocalNeighborMiner)
    assert mined.miner.distance.c == 20


def test_the_class_tree_is_asked_for():
    points, labels = batch()
    for parts in ({}, {"miner": "TripletMarginMiner"}):
        loss = create("HierarchicalTripletLoss", **parts)
        tree = class_tree_loss(loss)
        tree.update_tree(points, labels)
        assert loss(points, labels).isfinite()
        assert {name.rpartition(".")[2] for name in loss.state_dict()} >= {"level", "thresholds", "spread"}
    assert class_tree_loss(create("ProxyAnchorLoss")) is None


def test_memory_by_hand():
    """Contrastive loss of the second batch against both batches, a sample never against itself."""
    loss = create("ContrastiveLoss", {"pos_margin": 1, "neg_margin": 0.5}, distance="cosine", memory=30)
    first, labels = batch(1)
    second, _ = batch(2)
    loss(first, labels)
    pool = torch.nn.functional.normalize(torch.cat([first, second]))
    similarity = torch.nn.functional.normalize(second) @ pool.T
    same = labels[:, None] == torch.cat([labels, labels])
    itself = torch.zeros_like(same)
    itself[:, len(first) :] = torch.eye(len(second), dtype=torch.bool)
    positive = (1 - similarity)[same & ~itself]
    negative = (similarity - 0.5).relu()[~same]
    expected = positive[positive > 0].mean() + negative[negative > 0].mean()
    torch.testing.assert_close(loss(second, labels), expected)


def test_memory_comes_back_from_its_state():
    """Through safetensors, in the middle of the ring: values and gradients go on as without the break."""
    steady = create("ContrastiveLoss", memory=30, miner="PairMarginMiner")
    resumed = create("ContrastiveLoss", memory=30, miner="PairMarginMiner")
    for step in range(7):
        if step == 4:  # 48 embeddings were stored, 18 over the start of the ring
            resumed.load_state_dict(load(save(steady.state_dict())))
        points, labels = batch(step)
        points.requires_grad_()
        value = steady(points, labels)
        (gradient,) = torch.autograd.grad(value, points)
        if step >= 4:
            again = resumed(points, labels)
            assert again == value
            assert torch.equal(torch.autograd.grad(again, points)[0], gradient)
    assert torch.equal(resumed.embedding_memory, steady.embedding_memory)


def test_memory_rests_in_evaluation():
    points, labels = batch()
    loss = create("ContrastiveLoss", memory=30)
    before = {key: value.clone() for key, value in loss.state_dict().items()}
    value = loss.eval()(points, labels)
    assert value == losses.ContrastiveLoss()(points, labels)
    assert all(torch.equal(before[key], value) for key, value in loss.state_dict().items())


def test_a_broken_batch_does_not_stay_in_the_memory():
    loss = create("ContrastiveLoss", memory=30)
    points, labels = batch()
    loss(points, labels)
    broken = points.clone()
    broken[3] = torch.nan
    assert loss(broken, labels).isnan() or loss.embedding_memory.isfinite().all()
    assert loss.embedding_memory.isfinite().all()
    assert loss(points, labels).isfinite()


def test_memory_takes_whole_batches():
    with pytest.raises(ValueError, match="memory_size must be at least the batch of 12, got 10"):
        create("ContrastiveLoss", memory=10)(*batch())


def test_the_trial_of_a_miner_leaves_no_trace():
    torch.manual_seed(0)
    bare = create("ProxyAnchorLoss")
    state = torch.get_rng_state()
    torch.manual_seed(0)
    mined = create("ProxyAnchorLoss", miner="MultiSimilarityMiner")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(bare.proxies, mined.loss.proxies)
    poincare = create("TripletMarginLoss", miner="BatchHardMiner", distance="poincare")
    with warnings.catch_warnings(record=True) as seen:  # the warning of the first batch is still to come
        warnings.simplefilter("always")
        poincare(torch.nn.functional.normalize(batch()[0]), batch()[1])
    assert any("the same norm" in str(warning.message) for warning in seen)


@pytest.mark.parametrize(
    ("name", "parts", "message"),
    [
        ("HypLos", {}, "metric_loss.name: .* no loss 'HypLos'; did you mean HypLoss"),
        ("HypLoss", {"miner": "BatchHardMiner"}, "metric_loss.miner: HypLoss cannot be trained on tuples of BatchHard"),
        ("TripletMarginLoss", {"miner": "BatchHardMine"}, "metric_loss.miner: .* no miner .* did you mean BatchHard"),
        (
            "TripletMarginLoss",
            {"miner": "BatchHardMiner", "miner_options": {"k": 1}},
            "metric_loss.miner_options {'k': 1} do not fit BatchHardMiner",
        ),
        ("TripletMarginLoss", {"miner_options": {"k": 1}}, "miner_options .* without metric_loss.miner"),
        ("ProxyAnchorLoss", {"memory": 64}, "metric_loss.memory: ProxyAnchorLoss compares with no other batch; .*NTX"),
        ("NCALoss", {"memory": 64}, "metric_loss.memory: NCALoss compares with itself"),
        (
            "TripletMarginLoss",
            {"memory": 64, "miner": "BatchEasyHardMiner"},
            "nearest of a class .* so BatchEasyHardMiner picks nothing",
        ),
        ("HypLoss", {"memory": 64}, "metric_loss.memory: HypLoss"),
        (
            "ArcFaceLoss",
            {"distance": "poincare"},
            "metric_loss.distance=poincare: ArcFaceLoss compares by cosine alone",
        ),
        ("SoftTripleLoss", {"distance": "euclidean"}, "metric_loss.distance=euclidean do not fit SoftTripleLoss"),
        ("HierarchicalTripletLoss", {"distance": "cosine"}, "metric_loss.distance=cosine .* is a similarity"),
        ("P2SGradLoss", {"distance": "poincare"}, "metric_loss.distance=poincare: P2SGradLoss compares by cosine"),
        ("P2SGradLoss", {"distance": "euclidean"}, "metric_loss.distance=euclidean: P2SGradLoss compares by cosine"),
        ("DynamicSoftMarginLoss", {}, "metric_loss.name: DynamicSoftMarginLoss .* keeps the graph of a step"),
        ("ContrastiveLoss", {"distance": "cosine"}, "similarities need pos_margin above neg_margin, .* got 0 and 1"),
    ],
)
def test_combinations_that_cannot_be(name, parts, message):
    with pytest.raises(ConfigError, match=message):
        create(name, **parts)


def test_margins_of_similarities_do_not_serve_distances():
    margins = {"pos_margin": 1, "neg_margin": 0.5}
    points, labels = batch()
    assert create("ContrastiveLoss", margins, distance="cosine")(points, labels) > 0
    for distance in (None, "euclidean", "poincare"):
        with pytest.raises(ConfigError, match=r"distances need pos_margin below neg_margin, .* got 1 and 0\.5"):
            create("ContrastiveLoss", margins, distance=distance)


def test_the_class_tree_spans_the_distances_that_can_be():
    """Squared distances of unit vectors go up to 4, plain ones up to 2, those of the ball up to 4 clip_r."""
    for distance, largest in ((None, 4), ("euclidean", 2), ("poincare", 6)):
        loss = create("HierarchicalTripletLoss", distance=distance, clip_r=1.5)
        loss.update_tree(*batch())
        assert loss.thresholds[-1] == largest
    own = create("HierarchicalTripletLoss", {"largest": 3}, distance="poincare")
    assert own.largest == 3


def test_the_memory_is_the_librarys_where_nothing_goes_wrong():
    ours = CrossBatchMemory(losses.ContrastiveLoss(), WIDTH, 30)
    theirs = losses.CrossBatchMemory(losses.ContrastiveLoss(), WIDTH, 30)
    for step in range(5):
        points, labels = batch(step)
        assert ours(points, labels) == theirs(points, labels)
