"""One rank of the distributed metric tests, started by test_accumulate.py: `two_ranks_metrics.py RANK RENDEZVOUS OUT`.

Rank 0 has 37 items in batches, rank 1 has 13, one of which rank 0 has too; the gallery is in rank 1 alone.
"""

import sys

import torch
from torch import distributed as dist

from hyperdml.metrics.accumulators import MAP, LevelRecallAtK, RecallAtK

C = 0.1


def data():
    """(49, 4) points of mixed radii, labels beyond 2^24, and (49, 2) levels."""
    g = torch.Generator().manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(49, 4, generator=g)) * torch.rand(49, 1, generator=g) * 3
    labels = torch.arange(49) % 7 + 2**24
    return x, labels, torch.stack([labels % 2, labels], 1)


def rows_of(rank):
    """Shuffled indices of a rank; 5 is in both."""
    order = torch.randperm(49, generator=torch.Generator().manual_seed(1))
    own = order[:37] if rank == 0 else order[37:]
    return own if 5 in own else torch.cat([own, torch.tensor([5])])


def fails(call):
    """The message of the ValueError that a call ends in."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


def main(rank, rendezvous, output):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    x, labels, levels = data()
    rows = rows_of(rank)
    ap, recall, top = MAP(c=C), RecallAtK((1, 3), c=C), LevelRecallAtK((1,), c=C)
    for part in rows.split(5):
        ap.update(x[part], labels[part], index=part)
        top.update(x[part], levels[part], index=part)
    if rank == 0:
        recall.update(x[:20], labels[:20])
    else:
        recall.update(x[20:], labels[20:], gallery=True)
    found = {"rows": len(rows), "MAP": ap.compute(), "levels": top.compute(), "gallery": recall.compute()}
    found["again"] = ap.compute()
    mixed, empty, local = RecallAtK((1,), c=C), RecallAtK((1,), c=C), RecallAtK((1,), c=C)
    mixed.update(x[:3, : 2 + rank], labels[:3])
    local.update(x[rank : rank + 3], labels[rank : rank + 3], index=[0, 1, 2])
    found["errors"] = [fails(metric.compute) for metric in (mixed, empty, local)]
    dist.destroy_process_group()
    torch.save(found, output)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
