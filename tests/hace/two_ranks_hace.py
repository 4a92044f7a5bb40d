"""One rank of the distributed test, started twice by test_deployment.py: `two_ranks_hace.py RANK RENDEZVOUS OUTPUT`."""

import sys

import torch
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from hyperdml.hace import HACELoss, TaxonomyHead
from hyperdml.taxonomy import Taxonomy

TAXONOMY = Taxonomy.from_edges([("A", "B"), ("A", "C"), ("B", "D"), ("B", "E"), ("C", "E"), ("C", "F")])


def train(wrap, rows):
    """Parameters after three steps on some rows of each batch."""
    torch.manual_seed(0)
    head = TaxonomyHead(5, TAXONOMY).double()
    batches = [(torch.randn(8, 5).double(), torch.randint(len(TAXONOMY), (8,))) for _ in range(3)]
    model, loss = wrap(head), HACELoss(TAXONOMY, 0.4, 0.1)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.5)
    for features, labels in batches:
        optimizer.zero_grad()
        loss(model(features[rows]), labels[rows]).backward()
        optimizer.step()
    return [parameter.detach() for parameter in head.parameters()]


def main(rank, rendezvous, output):
    torch.set_num_threads(1)
    found = {"one": train(lambda head: head, slice(None))}
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    found["two"] = train(DistributedDataParallel, slice(4 * rank, 4 * rank + 4))
    dist.destroy_process_group()
    torch.save(found, output)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
