"""Classifiers: outputs in taxonomy order, comparable starts, stems, transformers, files tied to their taxonomy."""

import json

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hyperdml.errors import ConfigError, DataError
from hyperdml.hace import HACELoss
from hyperdml.models.backbone import create_backbone, feature_width
from hyperdml.models.classifier import Classifier
from hyperdml.models.classifier_backbone import ClassifierConfig, make_backbone
from hyperdml.models.weights import own_tensors
from hyperdml.taxonomy import Taxonomy

BIRDS = Taxonomy.from_nested({"animal": {"bird": ["wren", "finch", "robin"], "fish": ["trout", "pike"]}})
DAG = Taxonomy.from_edges([("a", "x"), ("b", "x"), ("b", "y"), ("top", "a"), ("top", "b")])
SMALL = ClassifierConfig("test_resnet")


def made(config=SMALL, taxonomy=BIRDS, head="all_nodes", size=32, seed=0):
    torch.manual_seed(seed)
    return Classifier(config, taxonomy, head, size)


@pytest.mark.parametrize(("head", "width"), [("all_nodes", 8), ("leaves", 5)])
def test_logits_are_those_of_the_head_on_the_features(head, width):
    model = made(head=head).eval()
    images = torch.randn(3, 3, 32, 32)
    logits = model(images)
    assert logits.shape == (3, width)
    assert torch.equal(logits, model.features(images) @ model.head.linear.weight.T + model.head.linear.bias)
    assert model.head.names == BIRDS.names[:width]
    loss = HACELoss(BIRDS, dilution=0.5, head=head)(model(images), torch.tensor([0, 1, 4]))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_normalised_features_and_dropout():
    model = made(ClassifierConfig("test_resnet", normalize=True, drop_rate=0.5))
    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(model.eval().features(images).norm(dim=1), torch.ones(4))
    assert torch.equal(model(images), model(images))
    model.train()
    features = model.features(images)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(4))
    torch.manual_seed(1)
    expected = model.head(torch.nn.functional.dropout(features, 0.5))
    torch.manual_seed(1)
    torch.testing.assert_close(model(images), expected)
    with pytest.raises(ConfigError, match=r"model.drop_rate must be in \[0, 1\), got 1.0"):
        made(ClassifierConfig("test_resnet", drop_rate=1.0))


# comparable starts


@pytest.mark.parametrize("taxonomy", [BIRDS, DAG])
def test_arms_with_different_heads_start_the_same(taxonomy):
    models, states = {}, {}
    for head in ("all_nodes", "leaves"):
        models[head] = made(taxonomy=taxonomy, head=head, seed=5)
        states[head] = torch.get_rng_state()
    nodes, leaves = models["all_nodes"], models["leaves"]
    own = leaves.backbone.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in nodes.backbone.state_dict().items())
    count = taxonomy.num_leaves
    for part in ("weight", "bias"):
        long, short = getattr(nodes.head.linear, part), getattr(leaves.head.linear, part)
        assert len(short) == count
        assert torch.equal(long[:count], short)
    assert torch.equal(states["all_nodes"], states["leaves"])
    assert not torch.equal(nodes.head.linear.weight[-1], nodes.head.linear.weight[0])


def test_another_taxonomy_does_not_change_the_backbone_and_another_seed_does():
    own = made().backbone.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in made(taxonomy=DAG).backbone.state_dict().items())
    assert not torch.equal(made(seed=1).head.linear.weight, made().head.linear.weight)
    assert not torch.equal(made(seed=1).backbone.conv1[0].weight, made().backbone.conv1[0].weight)


def test_rows_are_drawn_as_torch_draws_a_linear_layer():
    flat = Taxonomy.from_edges([("root", str(i)) for i in range(300)])
    model = made(taxonomy=flat)
    bound = feature_width(model.backbone) ** -0.5
    reference = torch.nn.Linear(feature_width(model.backbone), 301)
    for ours, theirs in zip(model.head.linear.parameters(), reference.parameters(), strict=True):
        assert ours.abs().max() <= bound
        assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.15)


# backbones


@pytest.mark.parametrize(
    ("name", "size", "settings"),
    [
        ("resnet18", 32, {"stem": "small"}),
        ("resnet34", 32, {"drop_path_rate": 0.1}),
        ("resnet50", 32, {"stem": "small"}),
        ("convnext_tiny", 64, {"drop_path_rate": 0.1}),
        ("vit_base_patch16_224", 64, {}),
        ("swin_tiny_patch4_window7_224", 64, {"drop_path_rate": 0.2}),
    ],
)
def test_the_architectures_of_the_paper(name, size, settings):
    with torch.device("meta"):  # shapes alone: drawing 86 million numbers takes seconds
        model = made(ClassifierConfig(name, **settings), size=size).eval()
    width = {"resnet18": 512, "resnet34": 512, "resnet50": 2048, "vit_base_patch16_224": 768}.get(name, 768)
    with torch.no_grad():
        images = torch.empty(2, 3, size, size, device="meta")
        assert model.features(images).shape == (2, width)
        assert model(images).shape == (2, 8)


def test_small_stem_keeps_the_size_of_the_images():
    backbone = make_backbone(ClassifierConfig("resnet18", stem="small"), 32)
    sizes = []
    backbone.layer1.register_forward_hook(lambda *args: sizes.append(tuple(args[2].shape)))
    backbone(torch.randn(2, 3, 32, 32))
    assert sizes == [(2, 64, 32, 32)]
    assert backbone.conv1.weight.shape == (64, 3, 3, 3)
    # as the other layers are drawn: normal, with variance 2 / (3 * 3 * 64)
    assert backbone.conv1.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.1)
    # the other weights count as those of the published CIFAR variants of ResNet-18: 11.17 million without classifier
    assert sum(p.numel() for p in backbone.parameters()) == 11_168_832


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ClassifierConfig("convnext_atto", stem="small"), "'small' is for ResNets .*, not 'convnext_atto'"),
        (ClassifierConfig("resnet18d", stem="small"), "'small' is for ResNets .*, not 'resnet18d'"),
        (ClassifierConfig("resnet18", "elsewhere.pth", stem="small"), "weight file not found"),
        (ClassifierConfig("resnet18", patch_size=4), "timm cannot make 'resnet18', patch_size=4: .*patch_size"),
        (ClassifierConfig("resnet81"), "timm has no model 'resnet81'"),
        (ClassifierConfig("resnet18", stem="smal"), "model.stem must be 'standard' or 'small', got 'smal'"),
        (ClassifierConfig("resnet18", drop_path_rate=1.5), r"drop_path_rate must be in \[0, 1\), got 1.5"),
        (ClassifierConfig("vit_tiny_patch16_224", patch_size=0), "patch_size must be from 1 to the image's 32 pixels"),
        (ClassifierConfig("vit_tiny_patch16_224", patch_size=64), "patch_size must be .* 32 pixels, got 64"),
        (ClassifierConfig("vit_tiny_patch16_224", patch_size=14), "multiple of 14, .* got 32: 4 rows and columns"),
    ],
)
def test_backbones_that_cannot_be(config, message):
    with pytest.raises((ConfigError, DataError), match=message):
        make_backbone(config, 32)


def test_small_stem_refuses_weights(tmp_path):
    path = tmp_path / "resnet18.safetensors"
    save_file(own_tensors(create_backbone("resnet18", "none")), path)
    with pytest.raises(ConfigError, match=r"'small' is drawn at random; model.weights must be 'none'"):
        make_backbone(ClassifierConfig("resnet18", str(path), stem="small"), 32)


def test_transformers_are_made_for_the_size_of_the_images():
    model = made(ClassifierConfig("vit_tiny_patch16_224", patch_size=8), size=32).eval()
    assert model.backbone.patch_embed.grid_size == (4, 4)
    assert model(torch.randn(1, 3, 32, 32)).shape == (1, 8)
    with pytest.raises(AssertionError, match="height"):
        model(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize("name", ["vit_large_patch14_dinov2", "vit_base_patch16_224", "vit_tiny_patch16_224"])
def test_features_of_a_transformer_are_the_class_token_behind_the_last_norm(name):
    size = 28 if "14" in name else 32
    backbone = create_backbone(name, "none", {"depth": 1, "img_size": size}).eval()
    assert backbone.global_pool == "token"
    torch.nn.init.normal_(backbone.norm.weight)  # else the norm could be missing unseen
    outputs = []
    backbone.blocks.register_forward_hook(lambda *args: outputs.append(args[2]))
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        features = backbone(images)
        token = outputs[0][:, 0]
        expected = torch.nn.functional.layer_norm(
            token, token.shape[1:], backbone.norm.weight, backbone.norm.bias, backbone.norm.eps
        )
    torch.testing.assert_close(features, expected)
    assert feature_width(backbone) == token.shape[1]


def test_weights_of_another_input_size_are_resampled(tmp_path):
    source = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=1)
    path = tmp_path / "vit.safetensors"
    save_file(source.state_dict(), path)
    same = create_backbone("vit_tiny_patch16_224", str(path), {"img_size": 64, "depth": 1})
    assert torch.equal(same.pos_embed, source.pos_embed)
    larger = create_backbone("vit_tiny_patch16_224", str(path), {"img_size": 96, "depth": 1})
    assert larger.pos_embed.shape == (1, 37, 192)
    assert torch.equal(larger.pos_embed[:, 0], source.pos_embed[:, 0])  # that of the class token
    assert torch.equal(larger.blocks[0].mlp.fc1.weight, source.blocks[0].mlp.fc1.weight)
    with pytest.raises(DataError, match=r"vit.safetensors does not fit the model"):
        create_backbone("vit_small_patch16_224", str(path), {"img_size": 64, "depth": 1})


# files


@pytest.mark.parametrize("head", ["all_nodes", "leaves"])
@pytest.mark.parametrize("taxonomy", [BIRDS, DAG])
def test_saved_classifier_gives_the_same_logits(tmp_path, head, taxonomy):
    config = ClassifierConfig("test_resnet", normalize=True, drop_rate=0.2)
    model = made(config, taxonomy, head, size=48).eval()
    model.save_pretrained(tmp_path / "new" / "model")
    loaded = Classifier.from_pretrained(tmp_path / "new" / "model")
    images = torch.randn(2, 3, 48, 48)
    assert torch.equal(loaded(images), model(images))
    assert not loaded.training
    assert (loaded.config, loaded.image_size, loaded.taxonomy) == (config, 48, taxonomy)
    with safe_open(tmp_path / "new" / "model" / "model.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["hyperdml"])["taxonomy"] == taxonomy.hash


def test_weights_of_a_source_are_not_looked_for_again(tmp_path):
    path = tmp_path / "start.safetensors"
    save_file(own_tensors(create_backbone("test_resnet", "none")), path)
    made(ClassifierConfig("test_resnet", str(path))).save_pretrained(tmp_path / "model")
    path.unlink()
    assert Classifier.from_pretrained(tmp_path / "model").config.weights == str(path)


def test_files_of_different_taxonomies_are_refused(tmp_path):
    made().save_pretrained(tmp_path / "a")
    # as many nodes and leaves: only the names tell
    other = Taxonomy.from_nested({"animal": {"bird": ["wren", "finch", "crow"], "fish": ["trout", "pike"]}})
    made(taxonomy=other).save_pretrained(tmp_path / "b")
    kept = {name: (tmp_path / "a" / name).read_bytes() for name in ("config.json", "taxonomy.json")}
    (tmp_path / "a" / "taxonomy.json").write_bytes((tmp_path / "b" / "taxonomy.json").read_bytes())
    with pytest.raises(DataError, match=rf"config.json was written for the taxonomy {BIRDS.hash}.*taxonomy.json holds"):
        Classifier.from_pretrained(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_bytes((tmp_path / "b" / "config.json").read_bytes())
    with pytest.raises(DataError, match=rf"model.safetensors was written for .*{BIRDS.hash}.*taxonomy.json holds"):
        Classifier.from_pretrained(tmp_path / "a")
    for name, content in kept.items():
        (tmp_path / "a" / name).write_bytes(content)
    Classifier.from_pretrained(tmp_path / "a")
    # the head's own state says it too, where the files do not
    record = json.loads(kept["config.json"])
    del record["sha256"]  # as in models saved before there was one
    (tmp_path / "a" / "config.json").write_text(json.dumps(record))
    tensors = load_file(tmp_path / "b" / "model.safetensors")
    save_file(
        tensors, tmp_path / "a" / "model.safetensors", metadata={"hyperdml": json.dumps({"taxonomy": BIRDS.hash})}
    )
    with pytest.raises(DataError, match=r"cannot read the weights .*taxonomy="):
        Classifier.from_pretrained(tmp_path / "a")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "taxonomy.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_missing_and_damaged_files_are_named(tmp_path, name, content):
    made().save_pretrained(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        Classifier.from_pretrained(tmp_path)


def test_a_changed_number_is_noticed(tmp_path):
    made().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"model\.safetensors are damaged or of another model"):
        Classifier.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [(None, "head", "leafs"), ("model", "backbone", 3), ("model", "backbone", "resnet81"), ("model", "drop_rate", "x")],
)
def test_settings_that_describe_no_model_are_named_with_their_file(tmp_path, part, key, value):
    made().save_pretrained(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    (record if part is None else record[part])[key] = value
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"config.json describes no model: "):
        Classifier.from_pretrained(tmp_path)


def test_a_model_of_another_kind_is_refused(tmp_path):
    made().save_pretrained(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**record, "format": "hyperdml.EmbeddingModel/1"}))
    with pytest.raises(DataError, match=r"format is 'hyperdml.EmbeddingModel/1', expected 'hyperdml.Classifier/1'"):
        Classifier.from_pretrained(tmp_path)
