"""Recipes: strict keys, types, overrides, suggestions, round trips."""

from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.errors import ConfigError
from hyperdml.training.bundled import file_names
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.settings import (
    config_from_dict,
    config_to_dict,
    config_to_yaml,
    differing_keys,
    load_config,
)


@pytest.mark.parametrize("name", file_names())
def test_bundled_recipes_load(name):
    assert isinstance(load_config(name), TrainConfig)


def test_quickstart_has_the_released_constants():
    config = load_config("quickstart")
    head, hier, optim = config.model.head, config.hier, config.optim
    assert (head.c, head.clip_r, head.kind, head.riemannian_gradient) == (0.1, 2.3, "released", True)
    assert (hier.weight, hier.mode, hier.geometry) == (0.5, "default", "hyperbolic")
    assert config.evaluation.controls == ("metric", "triplet")
    assert (optim.class_proxy_lr_mult, optim.hier_proxy_lr_mult, optim.clip_value) == (1e4, 50, 10)
    assert config.batch.per_class == 2


def test_overrides_reach_nested_keys_and_are_converted():
    words = ["seed=3", "optim.lr=2e-4", "hier.mode=paper", "evaluation.ks=[1, 5]", "metric_loss.options={alpha: 8}"]
    config = load_config("quickstart", [*words, "optim.clip_value=null", "model.head.soft_clip=true"])
    assert (config.seed, config.optim.lr, config.hier.mode) == (3, 2e-4, "paper")
    assert config.evaluation.ks == (1, 5)
    assert config.metric_loss.options == {"alpha": 8}
    assert config.optim.clip_value is None
    assert config.model.head.soft_clip is True


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hier.wieght=1", "unknown key hier.wieght; did you mean hier.weight"),
        ("optimizer.lr=1", "unknown key optimizer; did you mean optim"),
        ("zzz=1", "unknown key zzz; expected one of seed"),
        ("seed", "is not of the form key=value"),
        ("seed=abc", "seed: .*got 'abc'"),
        ("optim.steps=0", "optim.steps: .*greater than 0, got 0"),
        ("optim.lr=-1", "optim.lr"),
        ("hier.mode=tree", "hier.mode: .*'default', 'official' or 'paper', got 'tree'"),
        ("optim=3", "optim is a section"),
        ("hier.mode.x=3", "'mode' is a value, not a section"),
        ("hier.k.x=3", "hier.k: .*integer"),
        ("data.image_size=64.5", "data.image_size"),
        ("evaluation.ks=[1, [2", "not valid YAML"),
        ("evaluation.ks=[]", "evaluation.ks"),
        ("hier.num_proxies=1", "hier.num_proxies"),
        ("batch.size=1", "batch.size"),
    ],
)
def test_bad_overrides_name_key_and_value(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("quickstart", [override])


@pytest.mark.parametrize(("text", "value"), [("1e-1", 0.1), ("2E3", 2000.0), ("-1.5e2", -150.0), ("1.e1", 10.0)])
def test_exponents_are_numbers_in_free_options_too(text, value):
    options = load_config("quickstart", [f"metric_loss.options.margin={text}"]).metric_loss.options
    assert options["margin"] == value
    assert isinstance(options["margin"], float)


def test_files(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 4\noptim:\n  steps: 7\n")
    assert load_config(str(path)).optim.steps == 7
    for text, message in (
        ("seed: 1\nseed: 2\n", "duplicate key 'seed'"),
        ("optim:\n  stpes: 7\n", "unknown key optim.stpes; did you mean optim.steps"),
        ("- 1\n", "expected keys and values, got list"),
        ("a: [", "not valid YAML"),
        ("seed: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=message) as caught:
            load_config(str(path))
        assert "mine.yaml" in str(caught.value)
    path.write_bytes(b"seed: 1 # \xff")
    with pytest.raises(ConfigError, match=r"mine\.yaml is not UTF-8 text"):
        load_config(str(path))
    path.write_text("")
    assert load_config(str(path)) == TrainConfig()


def test_unknown_recipes():
    with pytest.raises(ConfigError, match="did you mean 'quickstart'"):
        load_config("quikstart")
    with pytest.raises(ConfigError, match="no recipe named 'transformer'; hyperdml recipes list shows them"):
        load_config("transformer")
    with pytest.raises(ConfigError, match=r"no such recipe file: no\.yaml"):
        load_config("no.yaml")


def test_round_trip():
    config = load_config("quickstart", ["hier.mode=paper"])
    assert config_from_dict(config_to_dict(config), "test") == config
    assert config_from_dict(yaml.safe_load(config_to_yaml(config)), "test") == config


def test_differing_keys():
    a, b = config_to_dict(TrainConfig()), config_to_dict(load_config("quickstart", ["hier.k=3"]))
    assert "hier.k" in differing_keys(a, b)
    assert differing_keys(a, a) == []
    assert differing_keys({"x": 1}, {}) == ["x"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_any_text_as_an_override_is_a_setting_or_a_config_error(text):
    with suppress(ConfigError):
        load_config("quickstart", [text])
