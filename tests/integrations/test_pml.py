"""HIER inside pytorch-metric-learning: as a loss, in sums, with a reference set, as a regulariser."""

import copy

import pytest
import torch
from pytorch_metric_learning import distances, losses, miners, reducers
from pytorch_metric_learning.utils.distributed import DistributedLossWrapper
from pytorch_metric_learning.utils.inference import InferenceModel

import hyperdml
from hyperdml.errors import ConfigError
from hyperdml.geometry import ToPoincare
from hyperdml.hier import HIER
from hyperdml.integrations import HIERLoss, HIERRegularizer, create_metric_loss

SMALL = {"mode": "official", "num_proxies": 16, "k": 6, "per_anchor": 4}


def batch(n=24, d=8):
    points = ToPoincare()(torch.randn(n, d)).requires_grad_()
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


@pytest.mark.parametrize("kind", [HIERLoss, HIERRegularizer])
@pytest.mark.parametrize("options", [{}, {"mode": "paper", "k": 3, "embeddings": "tangent"}])
def test_options_reach_hier_as_they_are(kind, options):
    assert repr(kind(8, **options).hier) == repr(HIER(8, **options))
    with pytest.raises(TypeError, match="neighbours"):
        kind(8, neighbours=3)


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


@pytest.mark.parametrize(
    "reducer",
    [
        reducers.SumReducer(),
        reducers.AvgNonZeroReducer(),
        reducers.DivisorReducer(),
        reducers.PerAnchorReducer(),
        reducers.ClassWeightedReducer(torch.ones(6)),
    ],
    ids=lambda r: type(r).__name__,
)
def test_reducers_leave_the_value_alone(reducer):
    points, labels = batch()
    loss = HIERLoss(8, **SMALL, pml_options={"reducer": reducer, "collect_stats": True})
    loss.hier.manual_seed(0)
    assert loss(points, labels) == loss.hier.manual_seed(0)(points, labels)


def test_reference_set_joins_the_batch():
    points, labels = batch()
    loss = HIERLoss(8, **SMALL)
    loss.hier.manual_seed(2)
    found = loss(points[:16], labels[:16], ref_emb=points[16:], ref_labels=labels[16:])
    assert found == loss.hier.manual_seed(2)(points, labels)
    loss.hier.manual_seed(2)
    assert loss(points[:16], ref_emb=points[16:]) == loss.hier.manual_seed(2)(points)


def test_reference_set_that_starts_with_the_batch_counts_it_once():
    points, labels = batch()
    loss = HIERLoss(8, **SMALL)
    loss.hier.manual_seed(2)
    found = loss(points[:16], labels[:16], ref_emb=torch.cat([points[:16], points[16:]]), ref_labels=labels)
    assert found == loss.hier.manual_seed(2)(points, labels)


def test_embedding_regulariser_of_a_hier_loss():
    points, labels = batch()
    loss = HIERLoss(8, **SMALL, pml_options={"embedding_regularizer": HIERRegularizer(8, mode="paper", num_proxies=16)})
    loss(points, labels).backward()
    assert loss.embedding_regularizer.hier.proxies.grad.abs().sum() > 0


def with_regularizer(loss, regularizer, **options):
    return loss(embedding_regularizer=regularizer, embedding_reg_weight=0.5, **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda r: with_regularizer(losses.TripletMarginLoss, r),
        lambda r: with_regularizer(losses.ProxyAnchorLoss, r, num_classes=6, embedding_size=8),
        lambda r: with_regularizer(
            losses.ContrastiveLoss, r, distance=distances.CosineSimilarity(), pos_margin=1, neg_margin=0
        ),
        lambda r: losses.CrossBatchMemory(with_regularizer(losses.NTXentLoss, r), 8, memory_size=48),
        lambda r: with_regularizer(losses.SupConLoss, r, reducer=reducers.AvgNonZeroReducer()),
    ],
)
def test_regulariser_adds_its_weighted_value_to_any_loss(make):
    points, labels = batch()
    regularizer = HIERRegularizer(8, **SMALL)
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


@pytest.mark.parametrize("symmetric", [True, False])
def test_regulariser_inside_the_self_supervised_wrapper_sees_what_the_loss_sees(symmetric):
    points, _ = batch()
    regularizer = HIERRegularizer(8, **SMALL)
    loss = losses.SelfSupervisedLoss(with_regularizer(losses.NTXentLoss, regularizer), symmetric=symmetric)
    plain = losses.SelfSupervisedLoss(losses.NTXentLoss(), symmetric=symmetric)
    regularizer.hier.manual_seed(0)
    added = loss(points[:12], points[12:]) - plain(points[:12], points[12:])
    seen = points if symmetric else points[:12]
    torch.testing.assert_close(added, 0.5 * regularizer.hier.manual_seed(0)(seen), rtol=1e-4, atol=1e-5)


def test_regulariser_and_loss_in_the_distributed_wrapper_outside_a_distributed_run():
    points, labels = batch()
    for loss in (HIERLoss(8, **SMALL), with_regularizer(losses.TripletMarginLoss, HIERRegularizer(8, **SMALL))):
        with pytest.warns(UserWarning, match="non-distributed"):
            DistributedLossWrapper(loss, efficient=True)(points, labels).backward()


def test_wrappers_that_go_by_class_name_refuse_hier_as_a_loss():
    for wrap in (lambda loss: losses.CrossBatchMemory(loss, 8), losses.SelfSupervisedLoss):
        with pytest.raises(Exception, match="not supported for HIERLoss"):
            wrap(HIERLoss(8, **SMALL))


def test_half_precision_embeddings_give_float32_except_where_the_library_rounds():
    points, labels = batch()
    half = points.detach().bfloat16()
    regularizer = HIERRegularizer(8, **SMALL)
    assert regularizer(half).dtype == HIERLoss(8, **SMALL)(half, labels).dtype == torch.float32
    # the trap that the docstring names
    assert with_regularizer(losses.NTXentLoss, regularizer)(half, labels).dtype == torch.bfloat16


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
