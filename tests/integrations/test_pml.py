"""HIER inside pytorch-metric-learning: as a loss, in sums, with a reference set, as a regulariser."""

import copy

import pytest
import torch
from pytorch_metric_learning import distances, losses, miners, reducers
from pytorch_metric_learning.utils.inference import InferenceModel

import hyperdml
from hyperdml.errors import ConfigError
from hyperdml.geometry import ToPoincare
from hyperdml.integrations import HIERLoss, HIERRegularizer, create_metric_loss

SMALL = {"num_proxies": 16, "k": 6, "per_anchor": 4}


def batch(n=24, d=8):
    points = ToPoincare()(torch.randn(n, d) * 3).requires_grad_()
    return points, torch.arange(n) // 4


def test_loss_equals_the_module_under_it():
    points, labels = batch()
    loss = HIERLoss(8, **SMALL)
    loss.hier.manual_seed(0)
    found = loss(points, labels)
    assert found == loss.hier.manual_seed(0)(points, labels)
    found.backward()
    assert points.grad.abs().sum() > 0
    assert loss.hier.proxies.grad.abs().sum() > 0


def test_sum_with_proxy_anchor_and_a_miner():
    points, labels = batch()
    metric = losses.ProxyAnchorLoss(6, 8)
    hier = HIERLoss(8, **SMALL)
    both = losses.MultipleLosses([metric, hier], weights=[1, 0.5])
    hier.hier.manual_seed(1)
    total = both(points, labels, miners.MultiSimilarityMiner()(points, labels))
    hier.hier.manual_seed(1)
    expected = metric(points, labels, miners.MultiSimilarityMiner()(points, labels)) + 0.5 * hier(points, labels)
    torch.testing.assert_close(total, expected)
    assert {"losses.0.proxies", "losses.1.hier.proxies"} <= set(dict(both.named_parameters()))
    total.backward()


def test_reference_set_joins_the_batch():
    points, labels = batch()
    loss = HIERLoss(8, **SMALL)
    loss.hier.manual_seed(2)
    found = loss(points[:16], labels[:16], ref_emb=points[16:], ref_labels=labels[16:])
    assert found == loss.hier.manual_seed(2)(points, labels)


def test_embedding_regulariser_of_a_hier_loss():
    points, labels = batch()
    loss = HIERLoss(8, **SMALL, pml_options={"embedding_regularizer": HIERRegularizer(8, mode="paper", **SMALL)})
    loss(points, labels).backward()
    assert loss.embedding_regularizer.hier.proxies.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "make",
    [
        lambda r: losses.TripletMarginLoss(embedding_regularizer=r, embedding_reg_weight=0.5),
        lambda r: losses.ProxyAnchorLoss(6, 8, embedding_regularizer=r, embedding_reg_weight=0.5),
        lambda r: losses.ContrastiveLoss(
            distance=distances.CosineSimilarity(),
            pos_margin=1,
            neg_margin=0,
            embedding_regularizer=r,
            embedding_reg_weight=0.5,
        ),
        lambda r: losses.CrossBatchMemory(
            losses.NTXentLoss(embedding_regularizer=r, embedding_reg_weight=0.5), 8, memory_size=48
        ),
        lambda r: losses.SupConLoss(
            reducer=reducers.AvgNonZeroReducer(), embedding_regularizer=r, embedding_reg_weight=0.5
        ),
    ],
)
def test_regulariser_adds_its_weighted_value_to_any_loss(make):
    points, labels = batch()
    regularizer = HIERRegularizer(8, mode="paper", **SMALL)
    loss = make(regularizer)
    plain = copy.deepcopy(loss)
    inner = plain.loss if isinstance(plain, losses.CrossBatchMemory) else plain
    inner.embedding_regularizer.hier.requires_grad_(False)
    inner.embedding_reg_weight = 0.0
    regularizer.hier.manual_seed(3)
    with_hier, without = loss(points, labels), plain(points, labels)
    value = regularizer.hier.manual_seed(3)(points.detach())
    torch.testing.assert_close(with_hier - without, 0.5 * value.detach(), rtol=1e-4, atol=1e-5)
    with_hier.backward()
    assert regularizer.hier.proxies.grad.abs().sum() > 0
    assert any("hier.proxies" in name for name, _ in loss.named_parameters())


def test_knn_drops_into_inference_model():
    points, _ = batch()
    model = InferenceModel(torch.nn.Identity(), knn_func=hyperdml.HyperbolicKNN(c=0.1), normalize_embeddings=False)
    model.train_knn(points.detach())
    _, indices = model.get_nearest_neighbors(points.detach()[:5], k=1)
    assert indices[:, 0].tolist() == list(range(5))


def test_losses_by_name():
    loss = create_metric_loss("ProxyAnchorLoss", 10, 8, {"alpha": 12})
    assert loss.proxies.shape == (10, 8)
    assert loss.alpha == 12
    assert isinstance(create_metric_loss("MultiSimilarityLoss", 10, 8, {}), losses.MultiSimilarityLoss)
    with pytest.raises(ConfigError, match="did you mean ProxyAnchorLoss"):
        create_metric_loss("ProxyAnchor", 10, 8, {})
    with pytest.raises(ConfigError, match=r"do not fit ProxyAnchorLoss.*metric_loss.options=\{\} clears them"):
        create_metric_loss("ProxyAnchorLoss", 10, 8, {"gamma": 1})


@pytest.mark.parametrize(
    "name", ["CosFaceLoss", "SubCenterArcFaceLoss", "ArcFaceLoss", "SoftTripleLoss", "ProxyNCALoss"]
)
def test_classes_and_width_reach_losses_that_hand_arguments_on(name):
    points, labels = batch()
    assert create_metric_loss(name, 6, 8, {})(points, labels).isfinite()


def test_top_level_names():
    assert hyperdml.HIERLoss is HIERLoss
    assert set(dir(hyperdml)) >= {"HIER", "HIERLoss", "HyperbolicKNN", "ToPoincare"}
    with pytest.raises(AttributeError, match="has no attribute 'Hier'"):
        hyperdml.Hier  # noqa: B018
