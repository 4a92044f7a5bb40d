"""One rank of the distributed classification report: `two_ranks_taxonomic.py RANK RENDEZVOUS OUT`.

Rank 0 has 37 samples in batches, rank 1 the other 12 and one that rank 0 has too.
"""

import sys

import torch
from torch import distributed as dist

from hyperdml.metrics.taxonomic.accumulator import ClassificationAccumulator
from hyperdml.taxonomy import Taxonomy


def data():
    """A tree, (49, N) logits and labels, some of them unknown and some inner nodes."""
    g = torch.Generator().manual_seed(0)
    taxonomy = Taxonomy.from_lineages([(f"family {i // 3}", f"species {i}") for i in range(9)])
    labels = torch.randint(len(taxonomy), (49,), generator=g)
    labels[::5] = -100
    return taxonomy, torch.randn(49, len(taxonomy), generator=g), labels


def main(rank, rendezvous, output):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    taxonomy, logits, labels = data()
    order = torch.randperm(49, generator=torch.Generator().manual_seed(1))
    rows = order[:37] if rank == 0 else torch.cat([order[37:], order[:1]])
    scores, one_sided = (ClassificationAccumulator(taxonomy) for _ in range(2))
    for part in rows.split(5):
        scores.update(logits[part], labels[part], index=part)
    if rank == 1:
        one_sided.update(logits, labels)
    report = scores.compute()
    found = {"figures": report.figures(), "AHC": report.per_sample()["AHC"]}
    found["one_sided"] = one_sided.compute().figures()
    dist.destroy_process_group()
    torch.save(found, output)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
