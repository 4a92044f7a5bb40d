"""Pixels to normalised tensors, changed as a function of the generator."""

import torch

from hyperdml.data import AugmentConfig, to_input


def images(n=6, size=32):
    return torch.randint(256, (n, size, size, 3), dtype=torch.uint8)


def test_evaluation_only_scales_and_normalises():
    x = images()
    out = to_input(x, 32, (0.5, 0.4, 0.3), (0.5, 0.25, 0.2))
    expected = (x.permute(0, 3, 1, 2).float() / 255 - torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1)) / torch.tensor(
        [0.5, 0.25, 0.2]
    ).view(1, 3, 1, 1)
    torch.testing.assert_close(out, expected)
    assert to_input(x, 16, (0.5,) * 3, (0.5,) * 3).shape == (6, 3, 16, 16)
    assert to_input(x, 48, (0.5,) * 3, (0.5,) * 3).shape == (6, 3, 48, 48)


def test_augmentation_follows_its_generator_and_stays_in_range():
    x = images()
    make = lambda seed: to_input(  # noqa: E731
        x, 32, (0.0,) * 3, (1.0,) * 3, AugmentConfig(), torch.Generator().manual_seed(seed)
    )
    assert torch.equal(make(1), make(1))
    assert not torch.equal(make(1), make(2))
    assert make(1).min() >= 0
    assert make(1).max() <= 1


def test_augmentation_with_everything_off_is_evaluation():
    off = AugmentConfig(0, 0, 0, 0, 0, 0, 0)
    x = images()
    for size in (32, 16):
        plain = to_input(x, size, (0.5,) * 3, (0.5,) * 3)
        torch.testing.assert_close(to_input(x, size, (0.5,) * 3, (0.5,) * 3, off), plain, atol=1e-4, rtol=0)


def test_a_flip_is_a_flip():
    x = images()
    flipped = to_input(x, 32, (0.0,) * 3, (1.0,) * 3, AugmentConfig(0, 0, 0, 1.0, 0, 0, 0))
    plain = to_input(x, 32, (0.0,) * 3, (1.0,) * 3)
    torch.testing.assert_close(flipped, plain.flip(3), atol=1e-4, rtol=0)
