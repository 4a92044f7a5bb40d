"""Batches of images: crops against references, and the same bits whoever reads and wherever an epoch begins."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperdml.data.crop_boxes import evaluation_boxes, training_boxes
from hyperdml.data.image_batches import ImageBatches
from hyperdml.data.image_files import UnreadableImage
from hyperdml.data.image_reader import ImageReader, Views
from hyperdml.data.labelled_images import ArrayImages, FileImages
from hyperdml.data.resample import resample, resample_one
from hyperdml.data.transforms import AugmentConfig, to_input
from hyperdml.data.views import VIEW_NUMBERS, CropConfig, view_numbers
from hyperdml.errors import DataError

RAW = {"mean": (0.0,) * 3, "std": (1.0,) * 3}


def smooth(height, width, seed=0):
    """Pixels that vary slowly, as those of photographs do."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def array_data(count=10, side=24):
    return ArrayImages(np.stack([smooth(side, side, i) for i in range(count)]), np.arange(count, dtype=np.int64) % 3)


@pytest.fixture
def file_data(tmp_path):
    shapes = [(40, 60), (60, 40), (33, 33), (80, 50), (24, 100)]
    names = []
    for i in range(10):
        names.append(f"class {i % 3}/{i}.{'png' if i % 2 else 'jpg'}")
        (tmp_path / names[-1]).parent.mkdir(exist_ok=True)
        Image.fromarray(smooth(*shapes[i % 5], i)).save(tmp_path / names[-1])
    return FileImages(tmp_path, tuple(names), np.arange(10, dtype=np.int64) % 3)


def batches(data, crop=None, **options):
    return ImageBatches(
        data, crop or CropConfig(), **{"batch_size": 4, "image_size": 16, "train": True, "seed": 3, **RAW, **options}
    )


# numbers


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(0, 500), st.lists(st.integers(0, 10**7), min_size=1, max_size=20))
def test_numbers_depend_on_the_row_alone(seed, view, rows):
    together = view_numbers(seed, view, np.array(rows))
    assert together.dtype == np.float32
    assert together.min() >= 0
    assert together.max() < 1
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(view_numbers(seed, view, np.array([row]))[0], together[place])


def test_numbers_are_splitmix64():
    # the published generator gives these first values from the state 1234567
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    start, step, mask = 1234567, 0x9E3779B97F4A7C15, 2**64 - 1

    def mixed(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    assert [mixed(start + (i + 1) * step & mask) for i in range(5)] == expected
    from hyperdml.seeds import derive_seed

    state = derive_seed(9, "view", 2)
    ours = view_numbers(9, 2, np.array([5]))[0]
    theirs = [(mixed(state + (5 * VIEW_NUMBERS + i + 1) * step & mask) >> 40) / 2**24 for i in range(VIEW_NUMBERS)]
    assert ours.tolist() == theirs


def test_numbers_are_uniform_and_independent():
    numbers = view_numbers(0, 0, np.arange(20000)).astype(float)
    counts = np.stack([np.histogram(column, 10, (0, 1))[0] for column in numbers.T])
    chi = ((counts - 2000) ** 2 / 2000).sum(1)
    assert chi.max() < 40  # 9 degrees of freedom, 32 columns
    correlation = np.corrcoef(np.concatenate([numbers, view_numbers(0, 1, np.arange(20000)).astype(float)], 1).T)
    assert np.abs(correlation - np.eye(64)).max() < 0.04
    assert np.abs([np.corrcoef(column[1:], column[:-1])[0, 1] for column in numbers.T]).max() < 0.04


# boxes


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000), st.sampled_from([(0.08, 1.0), (0.5, 0.6)]))
def test_random_parts_lie_within_the_image(width, height, seed, scale):
    config = CropConfig(scale=scale)
    sizes = np.tile([width, height], (20, 1))
    boxes = training_boxes(config, sizes, view_numbers(seed, 0, np.arange(20)))
    left, top, right, bottom = boxes.T
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (right > left).all()
    assert (bottom > top).all()
    assert (right <= width).all()
    assert (bottom <= height).all()


def test_random_parts_against_a_transcription_of_torchvision():
    """RandomResizedCrop.get_params, one image at a time, fed with our numbers; positions are ours, its are integers."""
    config = CropConfig(scale=(0.2, 1.0))
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 200, (300, 2))
    sizes[:50, 1] = 9  # long and narrow: no attempt fits many of them
    numbers = view_numbers(1, 4, np.arange(300)).astype(np.float64)
    boxes = training_boxes(config, sizes, numbers.astype(np.float32))
    fell_back = 0
    for (width, height), chance, box in zip(sizes.tolist(), numbers, boxes.tolist(), strict=True):
        for attempt in range(10):
            target = width * height * (0.2 + 0.8 * chance[attempt])
            ratio = np.exp(np.log(3 / 4) + (np.log(4 / 3) - np.log(3 / 4)) * chance[10 + attempt])
            w, h = round(np.sqrt(target * ratio)), round(np.sqrt(target / ratio))
            if 0 < w <= width and 0 < h <= height:
                left, top = int(chance[20] * (width - w + 1)), int(chance[21] * (height - h + 1))
                break
        else:
            fell_back += 1
            if width / height < 3 / 4:
                w, h = width, round(width / (3 / 4))
            elif width / height > 4 / 3:
                w, h = round(height * (4 / 3)), height
            else:
                w, h = width, height
            left, top = (width - w) // 2, (height - h) // 2
        assert box == [left, top, left + w, top + h]
    assert fell_back > 5


def test_padded_windows_take_every_place_and_no_other():
    sizes = np.tile([32, 32], (3000, 1))
    boxes = training_boxes(CropConfig("padded"), sizes, view_numbers(0, 0, np.arange(3000)))
    assert (boxes[:, 2:] - boxes[:, :2] == 32).all()
    assert set(boxes[:, 0]) == set(boxes[:, 1]) == set(range(-4, 5))
    counts = np.unique(boxes[:, :2], axis=0, return_counts=True)[1]
    assert len(counts) == 81
    assert counts.min() > 10


def test_evaluation_looks_at_the_middle():
    sizes = np.array([[256, 256], [640, 480], [100, 30]])
    assert evaluation_boxes(CropConfig(), sizes).tolist() == [[16, 16, 240, 240], [110, 30, 530, 450], [37, 2, 63, 28]]
    whole = evaluation_boxes(CropConfig("padded"), sizes)
    assert whole.tolist() == [[0, 0, 256, 256], [80, 0, 560, 480], [35, 0, 65, 30]]
    assert evaluation_boxes(CropConfig("none", centre=0.5), sizes[:1]).tolist() == [[64, 64, 192, 192]]


# resampling


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [7, 16, 40])
def test_resampling_is_that_of_pillow(interpolation, size):
    images = np.random.default_rng(0).integers(90, 160, (6, 30, 20, 3), dtype=np.uint8)  # nothing is clipped
    boxes = np.array([[0, 0, 20, 30], [3, 4, 19, 29], [0, 0, 7, 9], [19, 29, 20, 30], [2, 0, 17, 28], [5, 5, 20, 30]])
    ours = resample(torch.from_numpy(images), boxes, size, interpolation) * 255
    alone = torch.stack(
        [resample_one(image, box, size, interpolation) for image, box in zip(images, boxes, strict=True)]
    )
    parts = [image[top:bottom, left:right] for image, (left, top, right, bottom) in zip(images, boxes, strict=True)]
    kernel = Image.Resampling[interpolation.upper()]
    theirs = torch.stack([torch.from_numpy(np.array(Image.fromarray(p).resize((size, size), kernel))) for p in parts])
    # Pillow and the bytes of one image are rounded after each of two products
    assert (ours.permute(0, 2, 3, 1) - theirs.float()).abs().max() <= 1.6
    assert (alone.int() - theirs.int()).abs().max() <= 1


def test_a_window_of_the_same_size_is_copied_to_the_bit():
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    boxes = np.array([[0, 0, 16, 16], [2, -2, 18, 14], [-1, 1, 15, 17]])
    expected = np.zeros((3, 16, 16, 3), np.uint8)
    expected[0] = images[0]
    expected[1, 2:, :14] = images[1, :14, 2:]
    expected[2, :15, 1:] = images[2, 1:, :15]
    ours = resample(torch.from_numpy(images), boxes, 16, "bicubic")
    assert torch.equal((ours * 255).round().to(torch.uint8).permute(0, 2, 3, 1), torch.from_numpy(expected))
    torch.testing.assert_close(ours.permute(0, 2, 3, 1), torch.from_numpy(expected) / 255, atol=1e-6, rtol=0)
    alone = [resample_one(image, box, 16, "bicubic") for image, box in zip(images, boxes, strict=True)]
    np.testing.assert_array_equal(np.stack(alone), expected)


def test_evaluation_is_torchvision_resize_and_centre_crop():
    from torchvision.transforms.v2 import functional as tv

    data = ArrayImages(smooth(96, 144)[None], np.zeros(1, np.int64))
    ours = next(batches(data, train=False, image_size=56).epoch(0))[0]
    whole = torch.from_numpy(data.images[0]).permute(2, 0, 1).float() / 255
    theirs = tv.center_crop(tv.resize(whole, [64], interpolation=tv.InterpolationMode.BICUBIC, antialias=True), [56])
    # but for the last pixels, where it looks beyond the crop
    torch.testing.assert_close(ours[0, :, 2:-2, 2:-2], theirs[:, 2:-2, 2:-2], atol=2e-3, rtol=0)


# batches


def test_an_epoch_holds_every_image_once_and_epochs_differ():
    data = array_data()
    made = batches(data)
    assert len(made) == 3
    orders = [np.concatenate(made.rows(epoch)) for epoch in range(3)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    labels = torch.cat([labels for _, labels in made.epoch(1)])
    assert labels.tolist() == data.labels[orders[1]].tolist()
    images = [images for images, _ in made.epoch(1)]
    assert [tuple(x.shape) for x in images] == [(4, 3, 16, 16), (4, 3, 16, 16), (2, 3, 16, 16)]
    assert all(x.dtype == torch.float32 for x in images)
    dropped = batches(data, drop_last=True)
    assert len(dropped) == len(list(dropped.epoch(0))) == 2


@pytest.mark.parametrize("kind", ["resized", "padded", "affine", "none"])
def test_a_view_belongs_to_the_image_and_the_epoch_not_to_its_batch(kind):
    data, crop = array_data(), CropConfig(kind)
    whole = batches(data, crop, batch_size=10, shuffle=False)
    views = [next(whole.epoch(epoch))[0] for epoch in range(2)]
    assert torch.equal(views[0], views[1]) == (kind == "none")
    for rows, (images, _) in zip(batches(data, crop).rows(0), batches(data, crop).epoch(0), strict=True):
        torch.testing.assert_close(images, views[0][torch.from_numpy(rows)], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["resized", "padded", "affine"])
def test_seeds_differ(kind):
    one, other = (
        next(batches(array_data(), CropConfig(kind), seed=seed, shuffle=False).epoch(0))[0] for seed in (0, 1)
    )
    assert not torch.equal(one, other)


@pytest.mark.parametrize("workers", [2, 4])
def test_the_same_bits_for_any_number_of_workers(file_data, workers):
    alone, helped = batches(file_data), batches(file_data, workers=workers)
    for epoch in (0, 1):
        for (a, la), (b, lb) in zip(alone.epoch(epoch), helped.epoch(epoch), strict=True):
            assert torch.equal(a, b)
            assert torch.equal(la, lb)
    # an epoch that is given up halfway, and one that begins there
    unfinished = helped.epoch(2)
    next(unfinished)
    for first in (1, 3, 0):
        rest = list(helped.epoch(5, first))
        expected = list(alone.epoch(5))[first:]
        assert len(rest) == len(expected) == 3 - first
        assert all(torch.equal(a, b) for (a, _), (b, _) in zip(rest, expected, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_of_files_does_not_go_on_behind_another(file_data, workers):
    made = batches(file_data, workers=workers)
    first, second = made.epoch(0), made.epoch(1)
    next(first), next(second)
    with pytest.raises(RuntimeError, match="these batches cannot go on"):
        next(first)
    assert torch.equal(next(second)[0], list(batches(file_data).epoch(1))[1][0])


@pytest.mark.parametrize("kind", ["resized", "padded", "affine"])
def test_from_the_middle_of_an_epoch_from_memory(kind):
    whole = list(batches(array_data(), CropConfig(kind)).epoch(7))
    rest = list(batches(array_data(), CropConfig(kind)).epoch(7, 2))
    assert len(rest) == 1
    assert torch.equal(rest[0][0], whole[2][0])
    with pytest.raises(ValueError, match="first must be from 0 to 3, the batches of an epoch, got 4"):
        next(batches(array_data()).epoch(0, 4))


@pytest.mark.parametrize("workers", [0, 1])
def test_the_generator_of_dropout_is_left_alone(file_data, workers):
    for data in (file_data, array_data()):
        before = torch.get_rng_state()
        list(batches(data, workers=workers).epoch(0))
        assert torch.equal(torch.get_rng_state(), before)


def test_readers_can_be_sent_to_spawned_processes(file_data):
    reader = ImageReader(file_data, CropConfig(), 16, 0, pinned=False)._loader.dataset
    rows = np.arange(len(file_data))
    views = Views(rows, view_numbers(3, 2, rows))
    assert torch.equal(pickle.loads(pickle.dumps(reader))[views], reader[views])


@pytest.mark.parametrize("kind", ["resized", "padded", "affine", "none"])
@pytest.mark.parametrize("train", [True, False])
def test_files_and_arrays_give_the_same_views(tmp_path, kind, train):
    data = array_data(side=30)
    for i, image in enumerate(data.images):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    files = FileImages(tmp_path, tuple(f"{i}.png" for i in range(10)), data.labels)
    crop = CropConfig(kind, interpolation="bilinear")
    made = [batches(source, crop, train=train, image_size=20) for source in (data, files)]
    for (a, la), (b, lb) in zip(made[0].epoch(3), made[1].epoch(3), strict=True):
        assert torch.equal(la, lb)
        # bytes are rounded twice on the way from files; contrast grows the difference a little
        assert (a - b).abs().max() < 2.5 / 255


def test_large_jpeg_files_are_decoded_smaller_to_nearly_the_same_view(tmp_path, monkeypatch):
    Image.fromarray(smooth(800, 600)).save(tmp_path / "large.jpg", quality=95)
    data = FileImages(tmp_path, ("large.jpg",), np.zeros(1, np.int64))
    asked = []
    read = FileImages.read
    monkeypatch.setattr(FileImages, "read", lambda self, row, shrink=1: asked.append(shrink) or read(self, row, shrink))
    small = next(batches(data, train=False, image_size=64).epoch(0))[0]
    monkeypatch.setattr("hyperdml.data.image_reader._SHRINKS", (1,))
    full = next(batches(data, train=False, image_size=64).epoch(0))[0]
    assert asked == [4, 1]  # 525 pixels in the middle are more than 4 * 2 * 64
    assert (small - full).abs().max() < 0.02


def test_affine_views_are_those_of_the_retrieval_runs():
    """`to_input` with a generator that gives our numbers."""
    data, config = array_data(side=16), CropConfig("affine", affine=AugmentConfig(rotate=30, grey=0.5))
    ours = next(batches(data, config, batch_size=10, shuffle=False).epoch(1))[0]
    numbers = torch.from_numpy(view_numbers(3, 1, np.arange(10)))
    columns = iter(numbers.unbind(1))
    rand = torch.rand
    try:
        torch.rand = lambda n, generator=None: next(columns)
        theirs = to_input(torch.from_numpy(data.images), 16, **RAW, augment=config.affine)
    finally:
        torch.rand = rand
    assert torch.equal(ours, theirs)


def test_mirroring():
    data = array_data(side=16)
    plain = next(batches(data, CropConfig("none"), batch_size=10, shuffle=False).epoch(0))[0]
    always = next(batches(data, CropConfig("padded", padding=0.0, flip=1.0), batch_size=10, shuffle=False).epoch(0))[0]
    never = next(batches(data, CropConfig("padded", padding=0.0, flip=0.0), batch_size=10, shuffle=False).epoch(0))[0]
    assert torch.equal(never, plain)
    assert torch.equal(always, plain.flip(3))


def test_normalisation():
    raw = next(batches(array_data(), train=False).epoch(0))[0]
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    out = next(batches(array_data(), train=False, mean=mean, std=std).epoch(0))[0]
    torch.testing.assert_close(out, (raw - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_file_is_named(file_data, workers):
    path = file_data.root / file_data.paths[6]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UnreadableImage, match=r"class 0/6\.jpg: ") as caught:
        list(batches(file_data, workers=workers).epoch(0))
    assert caught.value.path == path
    path.unlink()
    with pytest.raises(UnreadableImage, match=r"class 0/6\.jpg: No such file"):
        list(batches(file_data, workers=workers).epoch(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"image_size": 0}, "image_size must be at least 1, got 0"),
        ({"workers": -1}, "workers must be at least 0, got -1"),
        ({"batch_size": 11, "drop_last": True}, "10 images make no batch of 11 with drop_last"),
    ],
)
def test_batches_refuse(options, message):
    with pytest.raises(ValueError, match=message):
        batches(array_data(), **options)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "random"}, "crop.kind must be 'resized', 'padded', 'affine' or 'none', got 'random'"),
        ({"interpolation": "nearest"}, "crop.interpolation must be 'bicubic' or 'bilinear', got 'nearest'"),
        ({"kind": "padded", "scale": (0.5, 1.0)}, "crop.scale needs crop.kind 'resized', but it is 'padded'"),
        ({"padding": 0.2}, "crop.padding needs crop.kind 'padded', but it is 'resized'"),
        ({"affine": AugmentConfig(rotate=1)}, "crop.affine needs crop.kind 'affine'"),
        ({"kind": "affine", "flip": 0.0}, "crop.flip needs .* crop.affine.flip is what you want"),
        ({"scale": (0.5, 0.4)}, r"crop.scale must be two shares in \(0, 1\], the smaller first, got \(0.5, 0.4\)"),
        ({"ratio": (0.0, 1.0)}, "crop.ratio must be two positive numbers"),
        ({"flip": 1.5}, r"crop.flip must be in \[0, 1\], got 1.5"),
        ({"centre": 0.0}, r"crop.centre must be in \(0, 1\], got 0.0"),
    ],
)
def test_crops_refuse(settings, message):
    with pytest.raises(ValueError, match=message):
        CropConfig(**settings)


# images


def test_images_refuse_what_does_not_belong_together(tmp_path):
    pixels, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match=r"images must be \(N, H, W, 3\) uint8, got \(2, 4, 4, 3\) float64"):
        ArrayImages(pixels.astype(float), labels)
    with pytest.raises(ValueError, match=r"labels must be \(2,\) int64, one an image, got \(3,\) int64"):
        ArrayImages(pixels, np.zeros(3, np.int64))
    with pytest.raises(ValueError, match=r"labels must be \(2,\) int64, one an image, got \(2,\) int32"):
        FileImages(tmp_path, ("a", "b"), labels.astype(np.int32))
    with pytest.raises(ValueError, match=r"boxes must be \(2, 4\) int64, got \(4,\) int64"):
        FileImages(tmp_path, ("a", "b"), labels, np.zeros(4, np.int64))


def test_boxes_of_files(file_data):
    boxes = np.tile(np.array([2, 3, 0, -5]), (10, 1))
    cut = FileImages(file_data.root, file_data.paths, file_data.labels, boxes)
    for row in range(10):
        width, height = file_data.size(row)
        assert cut.size(row) == (width - 2, height - 8)
        np.testing.assert_array_equal(cut.read(row), file_data.read(row)[3:-5, 2:])


def test_selected_images(file_data):
    rows = np.array([7, 0, 7])
    for data in (file_data, array_data()):
        part = data.select(rows)
        assert part.labels.tolist() == data.labels[rows].tolist()
        for place, row in enumerate(rows):
            np.testing.assert_array_equal(part.read(place), data.read(row))


def test_keys_tell_what_the_images_are(file_data, tmp_path):
    data = array_data()
    changed = data.images.copy()
    changed[5, 3, 3, 1] ^= 1
    other_labels = ArrayImages(data.images, 1 - data.labels)
    assert data.key == array_data().key == other_labels.key
    keys = {data.key, ArrayImages(changed, data.labels).key, data.select(np.arange(9)).key}
    keys.add(data.select(np.arange(10)[::-1]).key)
    keys |= {file_data.key, file_data.select(np.array([1, 0])).key, file_data.select(np.array([0, 1])).key}
    keys.add(FileImages(file_data.root, file_data.paths, file_data.labels, np.zeros((10, 4), np.int64)).key)
    assert len(keys) == 8
    moved = file_data.root.rename(tmp_path.parent / f"{tmp_path.name} moved")
    again = FileImages(moved, file_data.paths, file_data.labels)
    assert again.key == file_data.key
    (moved / again.paths[2]).write_bytes(b"")
    assert FileImages(moved, again.paths, again.labels).key != file_data.key
    (moved / again.paths[2]).unlink()
    with pytest.raises(DataError, match=r"2\.jpg: No such file"):
        FileImages(moved, again.paths, again.labels).key  # noqa: B018


def test_keys_of_files_whose_length_says_nothing(tmp_path):
    keys = set()
    for seed in (0, 1):
        Image.fromarray(smooth(20, 20, seed)).save(tmp_path / "0.BMP")
        keys.add(FileImages(tmp_path, ("0.BMP",), np.zeros(1, np.int64)).key)
    assert len(keys) == 2


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["resized", "padded", "affine"])
def test_on_a_gpu(kind, file_data):
    for data in (array_data(), file_data):
        on_cpu, on_gpu = batches(data, CropConfig(kind)), batches(data, CropConfig(kind), device="cuda")
        for (a, la), (b, lb) in zip(on_cpu.epoch(0), on_gpu.epoch(0), strict=True):
            assert b.is_cuda
            assert lb.is_cuda
            assert torch.equal(la, lb.cpu())
            torch.testing.assert_close(a, b.cpu(), atol=1e-4, rtol=0)
