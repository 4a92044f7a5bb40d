"""Images per second: the data pipeline beside timm's loader, and the training loop beside the bare network.

    python benchmarks/train_throughput.py

Prints the tables and writes docs/results/train_throughput.md and train_throughput.json.

Pipeline: JPEG files of about 500 x 400 pixels, written to a temporary folder and read once before, so that they come
from the page cache; a random part resized to 224, mirroring, normalisation; batches of float32 on the device, in
process and with worker processes. timm's loader has the same changes and none besides. Every repeat starts the workers
anew, leaves the first batches out and times the following ones while reading goes on; rows take turns.

Loop: `train` of a retrieval run with Proxy Anchor and HIER, from images to the finished step, figures and the check of
every gradient included; beside it forward and backward of the same network on batches of the same shape that lie
ready, with AdamW of the same parameters, and no head, no loss but the mean of the output, no data. Rows take turns too.
The loop takes its images from files, which are read by workers, or from memory at the network's size ("memory").
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from measure import devices, machine
from PIL import Image
from publish import publish

from hyperdml.data import ArrayImages, CropConfig, DataConfig, FileImages, ImageStream, RetrievalPart, create_sampler
from hyperdml.data.labelled_images import LabelledImages
from hyperdml.models import ModelConfig
from hyperdml.training.retrieval.config import BatchConfig, HIERConfig, OptimConfig, TrainConfig
from hyperdml.training.retrieval.train import train
from hyperdml.training.tables import markdown_table

FILES, CLASSES, SIZE = 240, 30, 224
CROP = CropConfig(scale=(0.2, 1.0))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TEXT = __doc__.split("\n\n", 3)[3].strip()


@dataclass(frozen=True)
class Rate:
    """Images per second: median and quartiles of the repeats."""

    row: str
    median: float
    low: float
    high: float
    repeats: list[float]

    def __str__(self) -> str:
        return f"{self.median:.0f} ({self.low:.0f} to {self.high:.0f})"


Row = Callable[[], float]
"""Images per second of one repeat."""


def turns(rows: dict[str, Row], repeats: int) -> list[Rate]:
    """Every row `repeats` times, in turns."""
    found: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(repeats):
        for name, row in rows.items():
            found[name].append(row())
    rates = []
    for name, values in found.items():
        low, median, high = statistics.quantiles(values, n=4, method="inclusive") if repeats > 1 else values * 3
        print(f"  {name}: {median:.0f} images/s ({low:.0f} to {high:.0f})", flush=True)
        rates.append(Rate(name, median, low, high, values))
    return rates


# pipeline


def write_photographs(folder: Path) -> FileImages:
    """Files like photographs in size and detail, in one folder a class."""
    rng = np.random.default_rng(0)
    names = []
    for i in range(FILES):
        width, height = rng.integers(460, 541), rng.integers(360, 441)
        slow = Image.fromarray(rng.integers(0, 256, (12, 15, 3), dtype=np.uint8))
        pixels = np.asarray(slow.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
        noise = rng.integers(-12, 13, pixels.shape, dtype=np.int16)
        names.append(f"{i % CLASSES:03d}/{i:05d}.jpg")
        (folder / names[-1]).parent.mkdir(exist_ok=True)
        Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).save(folder / names[-1], quality=90)
    return FileImages(folder, tuple(names), np.arange(FILES) % CLASSES)


def middle(batches: Iterator[tuple[torch.Tensor, torch.Tensor]], warm: int, count: int, device: torch.device) -> float:
    """Images per second of `count` batches behind the first `warm`."""
    for _ in itertools.islice(batches, warm):
        pass
    wait(device)
    start = time.perf_counter()
    images = sum(len(labels) for _, labels in itertools.islice(batches, count))
    wait(device)
    return images / (time.perf_counter() - start)


def ours(data: FileImages, batch: int, workers: int, count: int, device: torch.device) -> float:
    sampler = create_sampler("shuffle", data.labels, size=batch, per_class=1, seed=0)
    stream = ImageStream(
        data, CROP, sampler, image_size=SIZE, mean=MEAN, std=STD, seed=0, workers=workers, device=device
    )
    return middle(stream.batches(0), warm_up(workers), count, device)


def timms(data: FileImages, batch: int, workers: int, count: int, device: torch.device) -> float:
    from timm.data import ImageDataset, create_loader

    dataset = ImageDataset(str(data.root))
    # an epoch that does not end before the measurement, since its end would spare the workers their last batches
    dataset.reader.samples *= 1 + (2 * warm_up(workers) + count) * batch // FILES
    loader = create_loader(
        dataset,
        input_size=(3, SIZE, SIZE),
        batch_size=batch,
        is_training=True,
        scale=CROP.scale,
        ratio=CROP.ratio,
        hflip=CROP.flip,
        color_jitter=0,
        re_prob=0,
        interpolation=CROP.interpolation,
        mean=MEAN,
        std=STD,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
        device=device,
    )
    return middle(iter(loader), warm_up(workers), count, device)


def warm_up(workers: int) -> int:
    """Batches after which reading ahead has come to rest."""
    return 2 + 2 * workers


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure_pipeline(data: FileImages, arguments: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    """Both loaders for every number of workers."""
    results = []
    for workers in arguments.workers:
        print(f"pipeline, {workers} workers", flush=True)
        settings = (data, arguments.batch, workers, arguments.batches, device)
        rows = {"hyperdml": lambda s=settings: ours(*s), "timm": lambda s=settings: timms(*s)}
        results += [{"workers": workers, "rate": rate} for rate in turns(rows, arguments.repeats)]
    return results


def pipeline_table(results: list[dict[str, Any]]) -> str:
    lines = []
    for workers in dict.fromkeys(r["workers"] for r in results):
        mine, theirs = (r["rate"] for r in results if r["workers"] == workers)
        lines.append([str(workers), str(mine), str(theirs), f"{mine.median / theirs.median:.2f}"])
    return markdown_table(["workers", "hyperdml, images/s", f"timm {timm.__version__}, images/s", "ratio"], lines)


# loop


def part_of(images: LabelledImages) -> RetrievalPart:
    """Images as a training part without levels above the class."""
    names = tuple(f"{label:03d}" for label in range(CLASSES))
    return RetrievalPart(images, images.labels[:, None], ("class",), names, names)


def loop_config(net: str, arguments: argparse.Namespace, device: torch.device) -> TrainConfig:
    """Proxy Anchor and HIER; as many steps as are timed and the ones before them."""
    return TrainConfig(
        device=device.type,
        workers=arguments.loop_workers,
        checkpoint_every=10**6,
        data=DataConfig(image_size=arguments.size),
        model=ModelConfig(backbone=net, weights="none"),
        batch=BatchConfig(size=arguments.loop_batch),
        crop=CROP,
        hier=HIERConfig(weight=0.5),
        optim=OptimConfig(steps=arguments.warm + arguments.steps, precision=arguments.precision),
    )


def loop(part: RetrievalPart, config: TrainConfig, warm: int) -> float:
    """Images per second of our training."""
    stamps: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(config, part, Path(folder), monitor=lambda done, figures: stamps.append(time.perf_counter()))
    return (len(stamps) - warm) * config.batch.size / (stamps[-1] - stamps[warm - 1])


def bare(config: TrainConfig, warm: int) -> float:
    """Images per second of the network alone, with its optimiser."""
    device, size = torch.device(config.device), config.data.image_size
    options = {"img_size": size} if "vit" in config.model.backbone else {}
    net = timm.create_model(config.model.backbone, num_classes=0, **options).to(device).train()
    images = torch.randn(config.batch.size, 3, size, size, device=device).to(memory_format=torch.channels_last)
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.optim.lr)
    half = config.optim.precision != "float32"
    steps = config.optim.steps or 0
    for step in range(steps):
        if step == warm:
            wait(device)
            start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = net(images).float().mean()
        loss.backward()
        optimizer.step()
    wait(device)
    return (steps - warm) * config.batch.size / (time.perf_counter() - start)


def measure_loop(data: FileImages, arguments: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    """The bare network and our training of it."""
    memory = ArrayImages(np.stack([square(data, row, arguments.size) for row in range(FILES)]), data.labels)
    results = []
    for net in arguments.nets:
        print(f"loop, {net}", flush=True)
        config = loop_config(net, arguments, device)
        rows: dict[str, Row] = {
            "bare": lambda c=config: bare(c, arguments.warm),
            "files": lambda c=config: loop(part_of(data), c, arguments.warm),
            "memory": lambda c=config: loop(part_of(memory), c, arguments.warm),
        }
        results += [{"net": net, "rate": rate} for rate in turns(rows, arguments.repeats)]
    return results


def square(data: FileImages, row: int, size: int) -> np.ndarray:
    image = Image.fromarray(data.read(row))
    return np.asarray(image.resize((size, size)))


def loop_table(results: list[dict[str, Any]]) -> str:
    lines = []
    for net in dict.fromkeys(r["net"] for r in results):
        alone, files, memory = (r["rate"] for r in results if r["net"] == net)
        shares = [f"{rate}, {100 * rate.median / alone.median:.1f} %" for rate in (files, memory)]
        lines.append([net, str(alone), *shares])
    return markdown_table(["network", "bare step, images/s", "training from files", "training from memory"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["all", "cpu", "cuda"], default="cpu", help="all: the CPU, and CUDA if any")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU, in the training process")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2], help="of the pipeline: one table row each")
    parser.add_argument("--batch", type=int, default=64, help="images per batch of the pipeline")
    parser.add_argument("--batches", type=int, default=12, help="batches that are timed in each repeat")
    parser.add_argument("--nets", nargs="*", default=["resnet18", "vit_small_patch16_224"], help="of the loop")
    parser.add_argument("--size", type=int, default=112, help="side of the loop's images in pixels")
    parser.add_argument("--loop-batch", type=int, default=32)
    parser.add_argument("--loop-workers", type=int, default=1)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--warm", type=int, default=2, help="steps of the loop before those that are timed")
    parser.add_argument("--steps", type=int, default=6, help="steps that are timed in each repeat")
    parser.add_argument("--no-write", action="store_true", help="print only")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    record, text = [], [TEXT, machine()]
    with tempfile.TemporaryDirectory() as folder:
        data = write_photographs(Path(folder))
        for device in devices(arguments.device):
            heading = f"{device.type.upper()}, {arguments.threads} thread" + "s" * (arguments.threads > 1)
            if arguments.workers:
                results = measure_pipeline(data, arguments, device)
                text += [f"## Pipeline, {heading}, batches of {arguments.batch}", pipeline_table(results)]
                record += [{"part": "pipeline", "device": device.type, **result} for result in results]
            if arguments.nets:
                results = measure_loop(data, arguments, device)
                details = f"{arguments.loop_batch} images of {arguments.size} pixels a step, {arguments.precision}"
                text += [f"## Loop, {heading}, {details}, {arguments.loop_workers} workers", loop_table(results)]
                record += [{"part": "loop", "device": device.type, **result} for result in results]
    print("\n\n".join(["", *text]))
    if not arguments.no_write:
        publish("train_throughput", "Images per second", " ".join(["python", *sys.argv]), "\n\n".join(text), record)


if __name__ == "__main__":
    main()
