import pytest
import torch

from hyperdml.neighbors import reciprocal_mask


def by_hand(similarity, k):
    """Python sets; no ties in the data."""
    rows = similarity.tolist()
    near = [set(sorted(range(len(r)), key=lambda j, r=r: -r[j])[:k]) for r in rows]
    n = len(rows)
    return torch.tensor([[i != j and j in near[i] and i in near[j] for j in range(n)] for i in range(n)])


@pytest.mark.parametrize("k", [1, 2, 5, 20, 40, 99])
@pytest.mark.parametrize("symmetric", [True, False])
def test_equals_python_sets(k, symmetric):
    x = torch.randn(40, 40, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    similarity = (x + x.T).fill_diagonal_(100.0) if symmetric else x
    assert torch.equal(reciprocal_mask(similarity, k), by_hand(similarity, k))


def test_the_point_itself_counts_as_one_of_the_k():
    position = torch.tensor([0.0, 1.0, 3.0, 10.0])
    similarity = -(position[:, None] - position).abs()
    assert not reciprocal_mask(similarity, 1).any()
    two = reciprocal_mask(similarity, 2)  # itself and one other
    assert two.nonzero().tolist() == [[0, 1], [1, 0]]


def test_result_is_symmetric_with_empty_diagonal():
    mask = reciprocal_mask(torch.randn(25, 25, generator=torch.Generator().manual_seed(0)), 8)
    assert mask.dtype == torch.bool
    assert torch.equal(mask, mask.T)
    assert not mask.diagonal().any()


@pytest.mark.parametrize("n", [0, 1])
def test_batches_without_a_pair(n):
    assert reciprocal_mask(torch.zeros(n, n), 20).sum() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    similarity = torch.eye(4, dtype=dtype)
    assert reciprocal_mask(similarity, 4).sum() == 12


def test_errors():
    with pytest.raises(ValueError, match=r"square.*\(3, 4\)"):
        reciprocal_mask(torch.zeros(3, 4), 2)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        reciprocal_mask(torch.zeros(3, 3), 0)


@pytest.mark.gpu
def test_gpu_without_waiting():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    similarity = torch.randn(50, 50, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        mask = reciprocal_mask(similarity, 10)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(mask.cpu(), by_hand(similarity.cpu(), 10))
