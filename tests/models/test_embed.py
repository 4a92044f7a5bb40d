"""Embedding image files: same points as by hand, policies for broken images, and going on after every interruption."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from hyperdml.data import CropConfig, FileImages, ImageBatches
from hyperdml.data.image_files import list_images
from hyperdml.errors import ConfigError, DataError
from hyperdml.models import EmbeddingModel, HeadConfig, ModelConfig, embed_shards
from hyperdml.models.embed import embed_images
from hyperdml.models.embed_shards import discard

SIZE = 32
LEVEL = 1e-3  # of a point, where pixels differ by a level
HEAD = HeadConfig(kind="scaled", embedding_size=8, init_radius=1.2)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = EmbeddingModel(ModelConfig("test_efficientnet", "none", HEAD))
    with torch.no_grad():
        for _ in range(3):  # statistics of its own for every normalisation layer
            made(torch.randn(8, 3, SIZE, SIZE) * 2)
    return made.eval()


@pytest.fixture
def paths(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(23):
        pixels = rng.integers(0, 255, (4, 5, 3), dtype=np.uint8)
        folder = tmp_path / "images" / f"class {i % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((50, 40)).save(folder / f"{i:02d}.png")
    return list_images(tmp_path / "images")


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(embed_shards, "_IMAGES", 8)


def damage(path):
    path.write_bytes(path.read_bytes()[:60])


def by_hand(model, paths):
    """Whole middle squares by Pillow, whose bicubic kernel is ours but for a level or two."""
    squares = [ImageOps.fit(Image.open(path).convert("RGB"), (SIZE, SIZE), Image.Resampling.BICUBIC) for path in paths]
    pixels = torch.from_numpy(np.stack([np.asarray(square) for square in squares])).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.mean, model.std))
    with torch.no_grad():
        return model((pixels - mean) / std)


def as_in_training(model, paths, crop, batch_size):
    """What evaluation in training makes of files."""
    files = FileImages(Path(), tuple(map(str, paths)), np.zeros(len(paths), np.int64))
    batches = ImageBatches(
        files, crop, batch_size=batch_size, image_size=SIZE, mean=model.mean, std=model.std, train=False
    )
    with torch.no_grad():
        return torch.cat([model(images) for images, _ in batches.epoch(0)])


def stop_after(images):
    def progress(done, total):
        if done >= images:
            raise KeyboardInterrupt

    return progress


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.mark.parametrize("batch_size", [1, 5, 64])
@pytest.mark.parametrize("workers", [1, 3])
def test_points_are_those_of_the_model_in_the_order_of_the_paths(model, paths, batch_size, workers):
    found = embed_images(model, paths, size=SIZE, batch_size=batch_size, workers=workers)
    torch.testing.assert_close(found.points, by_hand(model, paths), rtol=0, atol=LEVEL)
    assert found.points.dtype == torch.float32
    assert not found.points.is_inference()
    assert found.rows.tolist() == list(range(23))
    assert found.broken == ()
    assert found.replaced.tolist() == []
    shifted = found.points.roll(1, 0)
    assert (shifted - by_hand(model, paths)).abs().max() > 0.01  # the comparison above can fail


@pytest.fixture
def cropping(model):
    """Sets what the model looks at, until the end of a test."""
    before = model.crop

    def set_crop(crop):
        model.crop = crop

    yield set_crop
    model.crop = before


@pytest.mark.parametrize(
    "crop",
    [
        CropConfig("resized"),
        CropConfig("resized", centre=1.0, interpolation="bilinear"),
        CropConfig("none", centre=0.4),
        CropConfig("affine", interpolation="bilinear"),
    ],
)
def test_an_image_is_seen_as_evaluation_in_training_saw_it(model, cropping, paths, tmp_path, crop):
    rng = np.random.default_rng(1)
    for i, size in enumerate([(300, 200), (200, 401), (33, 32)]):  # decoded at a quarter of its size; at half; whole
        pixels = rng.integers(0, 255, (5, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize(size).save(tmp_path / "images" / f"x{i}.jpg")
    paths = list_images(tmp_path / "images")
    whole = embed_images(model, paths, size=SIZE, batch_size=7)
    cropping(crop)
    found = embed_images(model, paths, size=SIZE, batch_size=7)
    torch.testing.assert_close(found.points, as_in_training(model, paths, crop, 7), rtol=0, atol=1e-6)
    # the whole square by the bicubic kernel is what the model looks at unless told otherwise
    assert (found.points - whole.points).abs().max() > 1e-4


def test_what_lies_outside_the_crop_does_not_matter(model, cropping, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels[10:30, 20:40]).save(tmp_path / "a.png")
    Image.fromarray(pixels).save(tmp_path / "b.png")
    inner, outer = ([tmp_path / name] for name in ("a.png", "b.png"))
    expected = embed_images(model, inner, size=SIZE).points
    assert (embed_images(model, outer, size=SIZE).points - expected).abs().max() > 0.01
    cropping(CropConfig("none", centre=0.5))
    assert torch.equal(embed_images(model, outer, size=SIZE).points, expected)


def test_modes_autocast_and_device_do_not_matter(model, paths):
    expected = embed_images(model, paths, size=SIZE)
    model.train()
    model.backbone.bn1.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = embed_images(model, paths, size=SIZE)
    assert torch.equal(found.points, expected.points)
    assert model.training
    assert model.head.training
    assert not model.backbone.bn1.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    model.eval()


@pytest.mark.gpu
def test_on_a_gpu_the_points_are_the_same(model, paths):
    expected = embed_images(model, paths, size=SIZE)
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        found = embed_images(model.cuda(), paths, size=SIZE)
    finally:
        torch.backends.cudnn.allow_tf32 = allowed
        model.cpu()
    assert found.points.device.type == "cpu"
    torch.testing.assert_close(found.points, expected.points, rtol=1e-4, atol=1e-4)


def test_skip_leaves_broken_images_out(model, paths):
    for row in (0, 7, 8, 22):
        damage(paths[row])
    kept = [row for row in range(23) if row not in (0, 7, 8, 22)]
    found = embed_images(model, paths, size=SIZE, batch_size=4, broken="skip")
    assert found.rows.tolist() == kept
    assert [path for path, _ in found.broken] == [paths[row] for row in (0, 7, 8, 22)]
    assert all("truncated" in reason for _, reason in found.broken)
    torch.testing.assert_close(found.points, by_hand(model, [paths[row] for row in kept]), rtol=0, atol=LEVEL)


def test_a_whole_batch_that_is_broken(model, paths):
    for row in (4, 5, 6, 7):
        damage(paths[row])
    found = embed_images(model, paths, size=SIZE, batch_size=4, broken="skip")
    assert found.rows.tolist() == [*range(4), *range(8, 23)]
    assert found.points.shape == (19, 8)


def test_replace_puts_a_white_image_in_the_place(model, paths, tmp_path):
    for row in (3, 9):
        damage(paths[row])
    Image.new("RGB", (9, 9), "white").save(tmp_path / "white.png")
    found = embed_images(model, paths, size=SIZE, batch_size=4, broken="replace")
    assert found.rows.tolist() == list(range(23))
    assert found.replaced.tolist() == [3, 9]
    assert [path for path, _ in found.broken] == [paths[3], paths[9]]
    white = by_hand(model, [tmp_path / "white.png"]).expand(2, -1)
    torch.testing.assert_close(found.points[[3, 9]], white, rtol=1e-4, atol=1e-5)


def test_error_names_the_broken_images_of_the_batches_read_by_then(model, paths):
    for row in (2, 5, 22):
        damage(paths[row])
    with pytest.raises(DataError, match="2 of the first 8 of 23 images cannot be read") as caught:
        embed_images(model, paths, size=SIZE, batch_size=2, workers=2)
    message = str(caught.value)
    assert [path for path in paths if str(path) in message] == [paths[2], paths[5]]
    assert "'skip'" in message
    with pytest.raises(DataError, match="3 of 23 images cannot be read"):
        embed_images(model, paths, size=SIZE)


def test_nothing_can_be_read(model, paths):
    for path in paths:
        damage(path)
    with pytest.raises(DataError, match="23 of 23 images cannot be read") as caught:
        embed_images(model, paths, size=SIZE, broken="skip")
    assert "and 3 more" in str(caught.value)


def test_few_batches_are_read_ahead_of_the_model(model, paths, monkeypatch):
    begun, lead = [], []
    lock = threading.Lock()

    read_one = FileImages.read

    def read(files, row, shrink):
        with lock:
            begun.append(row)
        return read_one(files, row, shrink)

    monkeypatch.setattr(FileImages, "read", read)

    def progress(done, total):
        time.sleep(0.02)  # so that readers could run far ahead
        with lock:
            lead.append(len(begun) - done)

    embed_images(model, paths, size=SIZE, batch_size=2, workers=8, progress=progress)
    assert len(begun) == 23
    assert max(lead) <= 2 * 3


def test_progress_and_no_threads_left(model, paths):
    seen = []
    embed_images(model, paths, size=SIZE, batch_size=10, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(10, 23), (20, 23), (23, 23)]
    with pytest.raises(KeyboardInterrupt):
        embed_images(model, paths, size=SIZE, batch_size=1, progress=stop_after(3))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-image")]


@pytest.mark.parametrize("broken", ["skip", "replace"])
@pytest.mark.parametrize("stop", [4, 12, 20, 23])
def test_taken_up_it_has_the_bits_of_an_uninterrupted_one(model, paths, tmp_path, small_shards, broken, stop):
    for row in (1, 13):
        damage(paths[row])
    settings = {"size": SIZE, "batch_size": 4, "broken": broken}
    whole = embed_images(model, paths, **settings)
    parts = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        embed_images(model, paths, **settings, resume=parts, progress=stop_after(stop))
    seen = []
    again = embed_images(model, paths, **settings, resume=parts, progress=lambda done, total: seen.append(done))
    assert seen[0] == stop  # Ctrl-C has left all that was done
    assert torch.equal(again.points, whole.points)
    assert torch.equal(again.rows, whole.rows)
    assert torch.equal(again.replaced, whole.replaced)
    assert again.broken == whole.broken
    assert sum(path.name.startswith("rows-") for path in parts.iterdir()) >= 3
    discard(parts)
    assert not parts.exists()
    discard(parts)


def test_what_is_done_is_not_read_again(model, paths, tmp_path, small_shards, monkeypatch):
    parts = tmp_path / "parts"
    embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)
    monkeypatch.setattr(FileImages, "read", None)
    monkeypatch.setattr(FileImages, "size", None)
    found = embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)
    torch.testing.assert_close(found.points, by_hand(model, paths), rtol=0, atol=LEVEL)


KILLED = """
import sys, time, torch
from pathlib import Path
from hyperdml.data.image_files import list_images
from hyperdml.models import EmbeddingModel, embed_shards
from hyperdml.models.embed import embed_images
torch.set_num_threads(1)
embed_shards._IMAGES = 2
def progress(done, total):
    print(done, flush=True)
    time.sleep(0.02)
embed_images(EmbeddingModel.from_pretrained(sys.argv[1]), list_images(Path(sys.argv[2])), size=32, batch_size=2,
             resume=Path(sys.argv[3]), progress=progress)
"""


def test_killed_without_a_word(model, paths, tmp_path):
    model.save_pretrained(tmp_path / "model")
    parts = tmp_path / "parts"
    command = [sys.executable, "-c", KILLED, tmp_path / "model", tmp_path / "images", parts]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        done = [int(process.stdout.readline()) for _ in range(4)][-1]
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    (parts / ".rows-x.abc.part").write_bytes(b"half a shard")  # what a kill during a write leaves
    (parts / "rows-000000099-000000101.safetensors").write_bytes(b"a shard that the state does not name")
    seen = []
    again = embed_images(
        model, paths, size=SIZE, batch_size=2, resume=parts, progress=lambda done, total: seen.append(done)
    )
    assert seen[0] >= done
    assert torch.equal(again.points, embed_images(model, paths, size=SIZE, batch_size=2).points)
    assert not (parts / "rows-000000099-000000101.safetensors").exists()
    discard(parts)
    assert not parts.exists()


def test_a_shard_every_thousand_images_or_half_minute(model, paths, tmp_path, monkeypatch):
    parts = tmp_path / "parts"
    embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)
    assert [name for name in content(parts) if name.startswith("rows")] == ["rows-000000000-000000023.safetensors"]
    discard(parts)
    monkeypatch.setattr(embed_shards, "_SECONDS", 0.0)
    embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)
    assert len(content(parts)) == 1 + 6


def begun(model, paths, folder, **settings):
    with pytest.raises(KeyboardInterrupt):
        embed_images(
            model, paths, **{"size": SIZE, "batch_size": 4, **settings}, resume=folder, progress=stop_after(12)
        )
    return folder


def test_other_settings_are_refused_and_the_parts_stay(model, cropping, paths, tmp_path, small_shards):
    parts = begun(model, paths, tmp_path / "parts")
    before = content(parts)
    other = EmbeddingModel(model.config)
    for arguments, settings, message in (
        ((other, paths), {}, "model changed"),
        ((model, paths[:-1]), {}, "images was 23, is 22, paths changed"),
        ((model, paths[::-1]), {}, "another embedding: paths changed;"),
        ((model, paths), {"size": 40}, "size was 32, is 40"),
        ((model, paths), {"batch_size": 3}, "batch_size was 4, is 3"),
    ):
        with pytest.raises(ConfigError, match=f"{message}.*remove .*parts to begin anew"):
            embed_images(*arguments, **{"size": SIZE, "batch_size": 4, **settings}, resume=parts)
    cropping(CropConfig("resized", interpolation="bilinear"))
    with pytest.raises(
        ConfigError, match=r"centre was 1\.0, is 0\.875, interpolation was bicubic, is bilinear; remove"
    ):
        embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)
    assert content(parts) == before


@pytest.mark.parametrize("row", [0, 11])
def test_a_changed_file_is_refused_if_its_point_is_there(model, paths, tmp_path, small_shards, row):
    parts = begun(model, paths, tmp_path / "parts")
    info = paths[row].stat()
    os.utime(paths[row], ns=(info.st_atime_ns, info.st_mtime_ns + 1))
    with pytest.raises(DataError, match=rf"{paths[row].name} changed since it was embedded into .*rows-"):
        embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)
    paths[row].unlink()
    with pytest.raises(DataError, match=rf"{paths[row].name} changed since"):
        embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)


def test_a_broken_image_can_be_mended_or_another_policy_chosen(model, paths, tmp_path, small_shards):
    whole = paths[17].read_bytes()
    damage(paths[17])
    settings = {"size": SIZE, "batch_size": 4, "workers": 1}
    with pytest.raises(DataError, match="cannot be read"):
        embed_images(model, paths, **settings, resume=tmp_path / "a")
    assert len(content(tmp_path / "a")) > 1
    found = embed_images(model, paths, **settings, resume=tmp_path / "a", broken="skip")
    assert torch.equal(found.points, embed_images(model, paths, **settings, broken="skip").points)
    with pytest.raises(ConfigError, match="begun with broken='skip' and has met 1 broken images"):
        embed_images(model, paths, **settings, resume=tmp_path / "a", broken="replace")
    with pytest.raises(DataError, match="cannot be read"):
        embed_images(model, paths, **settings, resume=tmp_path / "b")
    paths[17].write_bytes(whole)
    found = embed_images(model, paths, **settings, resume=tmp_path / "b")
    assert torch.equal(found.points, embed_images(model, paths, **settings).points)


def test_an_attempt_that_embedded_nothing_leaves_nothing(model, paths, tmp_path):
    """So that another list of images or another size is no contradiction."""
    whole = paths[1].read_bytes()
    damage(paths[1])
    with pytest.raises(DataError, match="cannot be read"):
        embed_images(model, paths, size=SIZE, batch_size=4, resume=tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
    paths[1].write_bytes(whole)
    # nor does one that was killed at its beginning
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed_shards, "discard", lambda folder: None)
        patch.setattr(model, "forward", _no_memory)
        with pytest.raises(MemoryError):
            embed_images(model, paths, size=SIZE, batch_size=4, resume=tmp_path / "parts")
    assert content(tmp_path / "parts").keys() == {"state.json"}
    found = embed_images(model, paths[1:], size=SIZE, batch_size=4, resume=tmp_path / "parts")
    assert torch.equal(found.points, embed_images(model, paths[1:], size=SIZE, batch_size=4).points)


def _no_memory(images):
    raise MemoryError


def test_every_damaged_byte_is_noticed(model, paths, tmp_path, small_shards):
    parts = begun(model, paths, tmp_path / "parts")
    rng = np.random.default_rng(0)
    for path in sorted(parts.iterdir()):
        if path.name == ".lock":
            continue
        whole = path.read_bytes()
        for place in rng.choice(len(whole), 25, replace=False):
            changed = bytearray(whole)
            changed[place] ^= 1 << rng.integers(7)
            if path.name == "state.json" and _same_meaning(whole, changed):
                continue
            path.write_bytes(changed)
            with pytest.raises((DataError, ConfigError), match="parts"):
                embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)
            path.write_bytes(whole)
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=rf"{path.name}.*remove .*parts to begin anew"):
            embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)
        path.write_bytes(whole)
    (parts / "rows-000000000-000000008.safetensors").unlink()
    with pytest.raises(DataError, match=r"damaged: .*No such file"):
        embed_images(model, paths, size=SIZE, batch_size=4, resume=parts)


def _same_meaning(whole, changed):
    try:
        return json.loads(whole) == json.loads(bytes(changed))
    except ValueError:
        return False


def test_a_folder_of_somebody_else_and_a_second_process(model, paths, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").touch()
    with pytest.raises(ConfigError, match=r"taken is not for parts of an embedding: it holds thesis\.txt"):
        embed_images(model, paths, size=SIZE, resume=tmp_path / "taken")
    assert content(tmp_path / "taken") == {"thesis.txt": b""}
    discard(tmp_path / "taken")
    assert content(tmp_path / "taken") == {"thesis.txt": b""}
    messages = []

    def progress(done, total):
        with pytest.raises(ConfigError, match=r"another process is embedding into .*parts") as caught:
            embed_images(model, paths, size=SIZE, resume=tmp_path / "parts")
        messages.append(str(caught.value))

    embed_images(model, paths, size=SIZE, resume=tmp_path / "parts", progress=progress)
    assert len(messages) == 1


def test_a_full_disk_keeps_what_was_written(model, paths, tmp_path, small_shards, monkeypatch):
    write, written = embed_shards.write_atomic, []

    def full(path, data):
        if path.suffix == ".safetensors" and len(written) == 2:
            raise OSError(28, "No space left on device")
        written.extend([path] if path.suffix == ".safetensors" else [])
        write(path, data)

    monkeypatch.setattr(embed_shards, "write_atomic", full)
    with pytest.raises(OSError, match="No space left"):
        embed_images(model, paths, size=SIZE, batch_size=4, resume=tmp_path / "parts")
    monkeypatch.setattr(embed_shards, "write_atomic", write)
    seen = []
    found = embed_images(
        model, paths, size=SIZE, batch_size=4, resume=tmp_path / "parts", progress=lambda done, _: seen.append(done)
    )
    assert seen[0] == 16
    assert torch.equal(found.points, embed_images(model, paths, size=SIZE, batch_size=4).points)


def test_points_that_are_not_finite_are_refused(paths):
    model = EmbeddingModel(ModelConfig("test_efficientnet", "none", HEAD))
    torch.nn.init.constant_(model.head.linear.bias, torch.nan)
    with pytest.raises(DataError, match=rf"not finite for .*{paths[0].name}; look at its weights"):
        embed_images(model, paths, size=SIZE)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"workers": -1}, "workers must be at least 1, got -1"),
        ({"broken": "ignore"}, "broken must be one of error, skip, replace, got 'ignore'"),
    ],
)
def test_messages(model, paths, settings, message):
    with pytest.raises(ValueError, match=message):
        embed_images(model, paths, **{"size": SIZE, **settings})
    with pytest.raises(ValueError, match="paths is empty"):
        embed_images(model, [], size=SIZE)


def test_a_backbone_of_one_size_only(paths):
    model = EmbeddingModel(ModelConfig("test_vit", "none", HEAD))
    assert model.fixed_size == 160
    with pytest.raises(ConfigError, match="size is 32, but test_vit takes 160 only"):
        embed_images(model, paths, size=SIZE)
