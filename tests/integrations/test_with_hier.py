"""`with_hier`: any loss plus HIER, accepted where the library wants a loss of its own."""

import pytest
import torch
from pytorch_metric_learning import losses, miners, reducers
from pytorch_metric_learning.losses import BaseMetricLossFunction
from pytorch_metric_learning.regularizers import LpRegularizer
from pytorch_metric_learning.utils.distributed import DistributedLossWrapper
from torch import nn

from hyperdml.geometry import ToPoincare
from hyperdml.hier import HIER
from hyperdml.integrations import HIERLoss, parametrize_on_ball, with_hier

SMALL = {"mode": "official", "num_proxies": 16, "k": 6, "per_anchor": 4}
POINTS = 24


def batch(d=8):
    points = ToPoincare()(torch.randn(POINTS, d)).requires_grad_()
    return points, torch.arange(POINTS) // 4


def equal_to_the_sum(make, **given):
    """The wrapped value is metric + weight * HIER, each computed on its own."""
    points, labels = batch()
    torch.manual_seed(0)
    loss = with_hier(make(), HIER(8, **SMALL), weight=0.3)
    torch.manual_seed(0)
    alone = make()
    loss.hier.manual_seed(1)
    found = loss(points, labels, **given)
    expected = alone(points, labels, **given) + 0.3 * loss.hier.manual_seed(1)(points, labels)
    torch.testing.assert_close(found, expected)
    found.backward()
    assert loss.hier.proxies.grad.abs().sum() > 0
    assert points.grad.isfinite().all()
    return loss


@pytest.mark.parametrize(
    "make",
    [
        losses.TripletMarginLoss,
        lambda: losses.ContrastiveLoss(embedding_regularizer=LpRegularizer(), reducer=reducers.SumReducer()),
        lambda: losses.ProxyAnchorLoss(6, 8, weight_regularizer=LpRegularizer()),
        lambda: losses.MultipleLosses(
            {"a": losses.TripletMarginLoss(), "b": losses.NTXentLoss()},
            miners={"a": miners.BatchHardMiner()},
            weights={"a": 1, "b": 0.1},
        ),
        lambda: losses.CrossBatchMemory(losses.NTXentLoss(), 8, memory_size=48, miner=miners.MultiSimilarityMiner()),
        lambda: parametrize_on_ball(losses.ProxyNCALoss(6, 8)),
        lambda: with_hier(losses.SupConLoss(), HIER(8, **SMALL).manual_seed(4)),
    ],
    ids=["plain", "regularised", "proxies", "sum", "memory", "on the ball", "nested"],
)
def test_is_the_weighted_sum_of_its_parts(make):
    equal_to_the_sum(make)


def test_hands_on_mined_tuples_and_reference_sets():
    points, labels = batch()
    equal_to_the_sum(losses.TripletMarginLoss, indices_tuple=miners.BatchHardMiner()(points, labels))
    other = ToPoincare()(torch.randn(10, 8))
    loss = with_hier(losses.TripletMarginLoss(), HIER(8, **SMALL), weight=0.3)
    loss.hier.manual_seed(0)
    found = loss(points, labels, ref_emb=other, ref_labels=torch.arange(10))
    joined = loss.hier.manual_seed(0)(torch.cat([points, other]), torch.cat([labels, torch.arange(10)]))
    metric = losses.TripletMarginLoss()(points, labels, ref_emb=other, ref_labels=torch.arange(10))
    torch.testing.assert_close(found, metric + 0.3 * joined)


def test_self_supervised_loss_has_no_labels():
    points, labels = batch()
    inner = losses.SelfSupervisedLoss(losses.NTXentLoss())
    loss = with_hier(inner, HIER(8, **SMALL), weight=0.3)
    loss.hier.manual_seed(0)
    found = loss(points[:12], ref_emb=points[12:])
    expected = inner(points[:12], points[12:]) + 0.3 * loss.hier.manual_seed(0)(points)
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match="SelfSupervisedLoss takes no labels"):
        loss(points[:12], labels[:12], ref_emb=points[12:])


def test_a_hier_loss_keeps_its_own_options():
    points, labels = batch()
    hier = HIERLoss(8, **SMALL, pml_options={"embedding_regularizer": LpRegularizer(), "embedding_reg_weight": 0.1})
    loss = with_hier(losses.TripletMarginLoss(), hier, weight=0.3)
    hier.hier.manual_seed(0)
    found = loss(points, labels)
    hier.hier.manual_seed(0)
    torch.testing.assert_close(found, losses.TripletMarginLoss()(points, labels) + 0.3 * hier(points, labels))


def test_memory_is_filled_once_a_call():
    points, labels = batch()
    memory = losses.CrossBatchMemory(losses.NTXentLoss(), 8, memory_size=48)
    with_hier(memory, HIER(8, **SMALL))(points, labels)
    assert memory.queue_idx == POINTS


def test_distributed_wrapper_takes_it_where_it_refuses_a_sum():
    members = [losses.TripletMarginLoss(), HIERLoss(8, **SMALL)]
    with pytest.raises(TypeError, match="must extend BaseMetricLossFunction"):
        DistributedLossWrapper(losses.MultipleLosses(members))
    loss = with_hier(losses.MultipleLosses([losses.TripletMarginLoss()]), members[1])
    assert isinstance(loss, BaseMetricLossFunction)
    points, labels = batch()
    with pytest.warns(UserWarning, match="non-distributed"):
        DistributedLossWrapper(loss)(points, labels).backward()


def test_state_and_parameters_are_those_of_both_parts():
    metric, hier = losses.ProxyAnchorLoss(6, 8), HIER(8, **SMALL)
    loss = with_hier(metric, hier)
    assert set(dict(loss.named_parameters())) == {"loss.proxies", "hier.proxies"}
    other = with_hier(losses.ProxyAnchorLoss(6, 8), HIER(8, **SMALL))
    assert not torch.equal(other.hier.proxies, hier.proxies)
    other.load_state_dict(loss.state_dict())
    torch.testing.assert_close(other.hier.proxies, hier.proxies)
    torch.testing.assert_close(other.loss.proxies, metric.proxies)


def test_a_loss_of_one_part_stays_float32_for_half_precision_embeddings():
    points, labels = batch()
    loss = with_hier(losses.CosFaceLoss(6, 8), HIER(8, **SMALL))
    assert loss.hier(points.detach().bfloat16(), labels).dtype == torch.float32
    assert loss(points.detach().bfloat16(), labels).dtype == torch.float32


def test_weight_may_change_and_values_are_recorded():
    points, labels = batch()
    loss = with_hier(losses.TripletMarginLoss(), HIER(8, **SMALL))
    loss.collect_stats = True
    loss.hier.manual_seed(0)
    half = loss(points, labels)
    metric, hier = loss.metric_value, loss.hier_value
    assert half.item() == pytest.approx(metric + 0.5 * hier, rel=1e-6)
    loss.weight = 2.0
    loss.hier.manual_seed(0)
    assert loss(points, labels).item() == pytest.approx(metric + 2 * hier, rel=1e-6)


class Keywords(nn.Module):
    """A loss that takes anything, as DistributedDataParallel does."""

    def forward(self, *inputs, **options):
        return inputs[0].sum() * len(options)


def test_a_module_that_takes_any_keyword_gets_what_is_given():
    points, labels = batch()
    loss = with_hier(Keywords(), HIER(8, **SMALL), weight=0.0)
    torch.testing.assert_close(loss(points, labels), points.sum())


def test_errors_name_what_is_wrong():
    points, labels = batch()
    hier = HIER(8, **SMALL)
    with pytest.raises(ValueError, match="must be a HIER or a HIERLoss, got Linear"):
        with_hier(losses.TripletMarginLoss(), nn.Linear(2, 2))
    for weight in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"at least 0, got {weight}"):
            with_hier(losses.TripletMarginLoss(), hier, weight)
    with pytest.raises(ValueError, match="MultipleLosses takes no ref_emb"):
        with_hier(losses.MultipleLosses([losses.NTXentLoss()]), hier)(points, labels, ref_emb=points + 0)
    unreduced = losses.TripletMarginLoss(reducer=reducers.DoNothingReducer())
    with pytest.raises(ValueError, match="TripletMarginLoss must return a scalar, got dict"):
        with_hier(unreduced, hier)(points, labels)
