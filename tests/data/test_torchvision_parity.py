"""The papers' transforms, RandomResizedCrop and Resize + CenterCrop, against torchvision's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from hyperdml.data import ArrayImages, CropConfig, FileImages, ImageBatches
from hyperdml.data.crop_boxes import training_boxes
from hyperdml.data.resample import resample_one
from hyperdml.data.views import view_numbers

KERNELS = {"bicubic": tv.InterpolationMode.BICUBIC, "bilinear": tv.InterpolationMode.BILINEAR}
RAW = {"mean": (0.0,) * 3, "std": (1.0,) * 3}


def photograph(height, width, seed=0):
    """Slow changes and some noise, away from black and white, where nothing is clipped."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(60, 196, (4, 5, 3), dtype=np.uint8))
    slow = np.array(small.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return (slow + rng.integers(-10, 11, slow.shape)).astype(np.uint8)


@settings(deadline=None, max_examples=80)
@given(
    st.tuples(*[st.integers(1, 120)] * 2),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.sampled_from([8, 33, 64]),
    st.sampled_from(list(KERNELS)),
)
def test_a_box_is_resized_as_by_resized_crop(shape, place, size, interpolation):
    height, width = shape
    image = photograph(height, width)
    left, top = int(place[0] * (width - 1)), int(place[1] * (height - 1))
    w, h = 1 + int(place[2] * (width - left - 1)), 1 + int(place[3] * (height - top - 1))
    ours = resample_one(image, np.array([left, top, left + w, top + h]), size, interpolation)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    box, kernel = (top, left, h, w, [size, size]), KERNELS[interpolation]
    theirs = tv.resized_crop(tensor, *box, kernel, antialias=True).permute(1, 2, 0)
    # old processors: torchvision leaves bytes for floating point where it is bilinear
    assert (ours.int() - theirs.int()).abs().max() <= (interpolation == "bilinear")
    exact = tv.resized_crop(tensor.double(), *box, kernel, antialias=True).permute(1, 2, 0)
    assert (ours - exact).abs().max() <= 1.6  # bytes are rounded after each of two products
    # what released code does: PIL images
    pillow = np.array(tv.resized_crop(Image.fromarray(image), *box, kernel))
    assert np.abs(ours.numpy().astype(int) - pillow).max() <= 2  # rounded likewise, at other times


@pytest.mark.parametrize("scale", [(0.2, 1.0), (0.08, 1.0)])
@pytest.mark.parametrize("size", [(500, 375), (300, 500), (600, 90)])
def test_boxes_are_distributed_as_those_of_random_resized_crop(scale, size):
    from scipy.stats import ks_2samp

    width, height = size
    count = 3000
    ours = training_boxes(CropConfig(scale=scale), np.tile(size, (count, 1)), view_numbers(0, 0, np.arange(count)))
    crop = v2.RandomResizedCrop(224, scale=scale)
    image = torch.empty(3, height, width)
    torch.manual_seed(0)
    drawn = [crop.make_params([image]) for _ in range(count)]
    theirs = np.array([[p["left"], p["top"], p["left"] + p["width"], p["top"] + p["height"]] for p in drawn])

    def figures(boxes):
        w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        return {
            "area": w * h,
            "ratio": w / h,
            "width": w,
            "height": h,
            "across": boxes[:, 0] / np.maximum(width - w, 1),
            "down": boxes[:, 1] / np.maximum(height - h, 1),
            "corner": boxes[:, 0] * height + boxes[:, 1] * width,
        }

    mine, others = figures(ours), figures(theirs)
    for name in mine:
        assert ks_2samp(mine[name], others[name]).pvalue > 1e-4, name
    # the widest and the smallest too
    assert abs(np.quantile(mine["area"], [0.01, 0.99]) / np.quantile(others["area"], [0.01, 0.99]) - 1).max() < 0.15


@pytest.mark.parametrize("shape", [(300, 400), (375, 500), (400, 256), (256, 256), (333, 517)])
@pytest.mark.parametrize("source", ["files", "memory"])
def test_evaluation_is_resize_and_centre_crop(tmp_path, shape, source):
    """A photograph without noise, as the middle may lie half a pixel of the result aside, and the rim sees no further.

    torchvision resizes the whole image to 256 and cuts 224 out, at whole pixels of the result; we cut 7/8 of the
    shorter side out, at whole pixels of the image, and resize that to 224.
    """
    small = np.random.default_rng(0).integers(60, 196, (4, 5, 3), dtype=np.uint8)
    image = np.array(Image.fromarray(small).resize(shape[::-1], Image.Resampling.BICUBIC))
    labels = np.zeros(1, np.int64)
    if source == "files":
        Image.fromarray(image).save(tmp_path / "0.png")
        data = FileImages(tmp_path, ("0.png",), labels)
    else:
        data = ArrayImages(image[None], labels)
    made = ImageBatches(data, CropConfig(), batch_size=1, image_size=224, train=False, **RAW)
    ours = next(made.epoch(0))[0][0]
    resized = tv.resize(Image.fromarray(image), [256], interpolation=KERNELS["bicubic"])
    theirs = tv.pil_to_tensor(tv.center_crop(resized, [224])).float() / 255
    # within what a shift of one pixel does
    slope = max(float(theirs.diff(dim=1).abs().max()), float(theirs.diff(dim=2).abs().max()))
    assert (ours - theirs).abs().max() <= slope + 2 / 255
    assert (ours - theirs).abs().mean() <= 0.004
    if shape == (256, 256):  # nothing is resized: the same pixels
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_mirror_images_are_those_of_horizontal_flip(tmp_path):
    image = photograph(40, 40)
    Image.fromarray(image).save(tmp_path / "0.png")
    data = FileImages(tmp_path, ("0.png",), np.zeros(1, np.int64))
    crop = CropConfig(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=1.0)
    ours = next(ImageBatches(data, crop, batch_size=1, image_size=40, train=True, **RAW).epoch(0))[0][0]
    theirs = tv.horizontal_flip(torch.from_numpy(image).permute(2, 0, 1)).float() / 255
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
