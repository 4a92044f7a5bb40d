"""One rank of the distributed tests, started twice by test_distributed.py: `two_ranks.py RANK RENDEZVOUS OUTPUT`.

Everything is float64 on the CPU. Rank 0 also computes what one process gets from the joined batch, before it joins the
group.
"""

import sys

import torch
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.utils.distributed import DistributedLossWrapper
from torch import distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from hyperdml.distributed import gather_batch, gather_with_gradient
from hyperdml.hier import HIER
from hyperdml.integrations import (
    GatheredLoss,
    HIERLoss,
    HypLoss,
    PoincareDistance,
    ReciprocalNeighborMiner,
    parametrize_on_ball,
    with_hier,
)

SIZES = [14, 10]
SPACE = {"embeddings": "tangent"}


def proxies_and_hier():
    metric = losses.ProxyAnchorLoss(6, 8)
    return with_hier(metric, HIER(8, mode="official", num_proxies=16, k=6, per_anchor=5, **SPACE).manual_seed(7))


def levels():
    hier = HIER(8, levels=(2, 4), warmup=3, per_anchor=6, **SPACE).manual_seed(7)
    return with_hier(losses.TripletMarginLoss(distance=PoincareDistance(**SPACE)), hier)


LOSSES = {
    "proxies and HIER": (proxies_and_hier, None),
    "levels of HIER": (levels, None),
    "class weights on the ball": (lambda: parametrize_on_ball(losses.ProxyNCALoss(6, 8), c=0.01), None),
    "memory": (lambda: losses.CrossBatchMemory(losses.NTXentLoss(), 8, 60), None),
    "pairs of views": (lambda: HypLoss(distance=PoincareDistance(**SPACE)), None),
    "mined": (
        lambda: losses.TripletMarginLoss(margin=1.0, distance=PoincareDistance(**SPACE)),
        lambda: ReciprocalNeighborMiner(
            5, generator=torch.Generator().manual_seed(3), distance=PoincareDistance(**SPACE)
        ),
    ),
    "labels mined": (losses.TripletMarginLoss, miners.BatchHardMiner),
}


def problem(name):
    """Model, loss, miner and a list of joined batches, the same in every process."""
    torch.manual_seed(0)
    steps = 10 if "HIER" in name else 3
    make_loss, make_miner = LOSSES[name]
    model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 8)).double()
    labels = torch.arange(sum(SIZES)) % 6
    batches = [(torch.randn(sum(SIZES), 5).double() + labels[:, None], labels) for _ in range(steps)]
    return model, make_loss().double(), make_miner and make_miner(), batches


def train(model, loss, batches):
    """Parameters and gradients after the first step, and parameters after the last."""
    loss_has_parameters = any(True for _ in loss.parameters())
    parameters = [*model.parameters(), *loss.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    found = {"values": [], "has parameters": loss_has_parameters}
    for features, labels in batches:
        optimizer.zero_grad()
        value = loss(model(features), labels)
        value.backward()
        if not found["values"]:
            found["gradients"] = [parameter.grad.clone() for parameter in parameters]
        optimizer.step()
        found["values"].append(value.item())
    found["parameters"] = [parameter.detach().clone() for parameter in parameters]
    return found


def one_process(name):
    model, loss, miner, batches = problem(name)
    return train(model, GatheredLoss(loss, miner), batches)


def in_parallel(module):
    """DistributedDataParallel for a module that has parameters; it refuses one that has none."""
    return DistributedDataParallel(module) if any(True for _ in module.parameters()) else module


def two_processes(name, rank):
    model, loss, miner, batches = problem(name)
    own = slice(sum(SIZES[:rank]), sum(SIZES[: rank + 1]))
    batches = [(features[own], labels[own]) for features, labels in batches]
    return train(DistributedDataParallel(model), in_parallel(GatheredLoss(loss, miner)), batches)


def wrapped_by_the_library(rank, efficient):
    """with_hier in DistributedLossWrapper, which wants equal batches; proxies start unequal on purpose."""
    model, _, _, batches = problem("proxies and HIER")
    torch.manual_seed(rank)
    metric = losses.TripletMarginLoss() if efficient else losses.ProxyAnchorLoss(6, 8)
    hier = HIERLoss(8, mode="official", num_proxies=16, k=6, per_anchor=5, **SPACE)
    loss = DistributedDataParallel(DistributedLossWrapper(with_hier(metric, hier).double(), efficient=efficient))
    half = slice(12 * rank, 12 * rank + 12)
    batches = [(features[half], labels[half]) for features, labels in batches[:3]]
    return train(DistributedDataParallel(model), loss, batches)


def gathering(rank):
    """Join rows of unequal number, one rank without any, and pull a gradient through."""
    x = torch.arange(2.0 * SIZES[rank]).view(-1, 2).add(100 * rank).requires_grad_()
    joined = gather_with_gradient(x)
    weights = torch.arange(float(joined.numel())).view_as(joined)
    (joined * weights).sum().backward()
    rows, labels = gather_batch(torch.full((3 * rank, 2), 1.5), torch.full((3 * rank,), rank + 5))
    return {
        "joined": joined.detach(),
        "gradient": x.grad,
        "rows": rows,
        "labels": labels,
        "labels need gradient": labels.requires_grad,
    }


def start_without_gathering(rank):
    """HIER on each rank's own batches, of 3 and 2 rows: its six proxies have to start at one step on both."""
    torch.manual_seed(0)
    model = nn.Linear(5, 8).double()
    hier = HIER(8, levels=(2, 6), warmup=2, per_anchor=4, **SPACE)
    loss = DistributedDataParallel(with_hier(losses.ProxyAnchorLoss(4, 8), hier).double())
    parallel = DistributedDataParallel(model)
    size, started = 3 - rank, []
    for step in range(5):
        torch.manual_seed(10 * step + rank)
        loss(parallel(torch.randn(size, 5).double()), torch.arange(size)).backward()
        started.append(hier.start.done)
    return {"started": started, "proxies": hier.proxies.detach().clone()}


def main(rank, rendezvous, output):
    torch.set_num_threads(1)
    found = {"one": {name: one_process(name) for name in LOSSES}} if rank == 0 else {}
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    found["two"] = {name: two_processes(name, rank) for name in LOSSES}
    found["library"] = {efficient: wrapped_by_the_library(rank, efficient) for efficient in (False, True)}
    found["gathering"] = gathering(rank)
    found["start"] = start_without_gathering(rank)
    dist.destroy_process_group()
    torch.save(found, output)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
