"""One rank of the test of gradients in pieces: slices of 6 and 5 rows, in pieces of 2."""

import sys

import torch
from torch import distributed as dist
from torch import nn

from hyperdml.distributed import gather_batch
from hyperdml.training.engine.pieces import average_gradients, cached_backward


def main(rank, rendezvous, output):
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 5)).double()
    proxies = nn.Parameter(torch.randn(4, 5, dtype=torch.float64))
    learner = nn.ModuleList([net, nn.ParameterList([proxies])])
    inputs = torch.randn(11, 6, dtype=torch.float64)

    def loss(points):
        (points,) = gather_batch(points)
        value = torch.logsumexp(-torch.cdist(points, proxies), 0).sum() + torch.pdist(points).square().sum()
        return {"loss": value}

    own = inputs[:6] if rank == 0 else inputs[6:]
    parts = cached_backward(net, own, 2, loss, torch.amp.GradScaler("cpu", enabled=False), 3)
    average_gradients(learner)
    torch.save({"loss": parts["loss"], "gradients": [p.grad for p in learner.parameters()]}, output)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
