"""The exported checkpoint holds every weight under ldm's names, and the files beside it say what the models are."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from lib_vlmneg.miniature import captions, export, models, tokenizers

SCALE = 0.37
MODELS = ("unet", "vae", "text_encoder")

# From ldm's modules (openaimodel.py, model.py, attention.py), for three levels with one block each and no block in the encoder.
LDM_SHAPES = {
    "model.diffusion_model.time_embed.0.weight": (512, 128),
    "model.diffusion_model.input_blocks.0.0.weight": (128, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.0.in_layers.0.weight": (128,),
    "model.diffusion_model.input_blocks.1.0.emb_layers.1.weight": (128, 512),
    "model.diffusion_model.input_blocks.2.0.op.weight": (128, 128, 3, 3),
    "model.diffusion_model.input_blocks.3.1.transformer_blocks.0.attn2.to_k.weight": (128, 192),
    "model.diffusion_model.middle_block.0.out_layers.3.weight": (128, 128, 3, 3),
    "model.diffusion_model.middle_block.1.transformer_blocks.0.ff.net.0.proj.weight": (1024, 128),
    "model.diffusion_model.output_blocks.0.0.skip_connection.weight": (128, 256, 1, 1),
    "model.diffusion_model.output_blocks.1.2.conv.weight": (128, 128, 3, 3),
    "model.diffusion_model.output_blocks.3.1.transformer_blocks.0.attn1.to_out.0.bias": (128,),
    "model.diffusion_model.output_blocks.5.0.in_layers.2.weight": (128, 256, 3, 3),
    "model.diffusion_model.out.2.weight": (4, 128, 3, 3),
    "first_stage_model.encoder.down.2.downsample.conv.weight": (64, 64, 3, 3),
    "first_stage_model.encoder.mid.attn_1.q.weight": (64, 64, 1, 1),
    "first_stage_model.encoder.conv_out.weight": (8, 64, 3, 3),
    "first_stage_model.decoder.up.3.upsample.conv.weight": (64, 64, 3, 3),
    "first_stage_model.decoder.up.0.block.0.conv2.weight": (64, 64, 3, 3),
    "first_stage_model.decoder.mid.attn_1.proj_out.weight": (64, 64, 1, 1),
    "first_stage_model.quant_conv.weight": (8, 8, 1, 1),
    "first_stage_model.post_quant_conv.bias": (4,),
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": (77, 192),
    "cond_stage_model.transformer.text_model.encoder.layers.2.self_attn.out_proj.weight": (192, 192),
    "cond_stage_model.transformer.text_model.final_layer_norm.bias": (192,),
}


def sd1_shaped():
    """Stable Diffusion 1's four levels and two layers a block, an eighth as wide: what the miniature does not have."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=16, block_out_channels=(32, 64, 128, 128), layers_per_block=2, cross_attention_dim=192, attention_head_dim=8
    )
    levels = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    return unet, AutoencoderKL(block_out_channels=(32, 64, 64, 64), layers_per_block=2, sample_size=128, **levels)


def build(folder: Path, unet, vae) -> Path:
    """A pipeline of random weights, no two alike, as a folder."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    tokenizer = tokenizers.clip(captions.vocabulary(), folder / "words")
    vae.register_to_config(scaling_factor=SCALE)
    text_encoder = models.text_encoder(tokenizer)
    for model in (unet, vae, text_encoder):
        for value in model.parameters():
            torch.nn.init.normal_(value)
    parts = {"unet": unet, "vae": vae, "text_encoder": text_encoder, "tokenizer": tokenizer}
    none = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    scheduler = EulerDiscreteScheduler(**models.SCHEDULE, steps_offset=1)
    StableDiffusionPipeline(**parts, **none, scheduler=scheduler).save_pretrained(folder / "model", max_shard_size="20MB")
    return folder / "model"


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    return build(tmp_path_factory.mktemp("miniature"), models.unet(), models.autoencoder())


@pytest.fixture(scope="module")
def exported(miniature, tmp_path_factory) -> Path:
    return export.export(miniature, tmp_path_factory.mktemp("exported")).parent


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def parameters(pipeline, part: str) -> dict[str, torch.Tensor]:
    return {name: value.detach() for name, value in getattr(pipeline, part).named_parameters()}


def test_every_parameter_is_in_the_file_once(miniature, exported):
    pipeline = export.load(miniature)
    wanted = Counter(value.half().numpy().tobytes() for part in MODELS for value in parameters(pipeline, part).values())
    found = Counter(value.numpy().tobytes() for value in load_file(exported / "miniature.safetensors").values())
    assert max(wanted.values()) == 1
    assert found == wanted


def test_names_and_shapes_are_those_of_ldm(exported):
    weights = load_file(exported / "miniature.safetensors")
    assert {name: tuple(weights[name].shape) for name in LDM_SHAPES} == LDM_SHAPES
    assert {value.dtype for value in weights.values()} == {torch.float16}


@pytest.mark.parametrize("shape", ["miniature", "sd1"])
def test_diffusers_reads_the_same_weights_back(shape, miniature, tmp_path):
    from diffusers import StableDiffusionPipeline

    torch.manual_seed(1)
    folder = miniature if shape == "miniature" else build(tmp_path, *sd1_shaped())
    path = export.export(folder, tmp_path / "out", "other", torch.float32)
    again = StableDiffusionPipeline.from_single_file(path, config=str(folder), local_files_only=True)
    pipeline = export.load(folder)
    for part in MODELS:
        wanted, found = parameters(pipeline, part), parameters(again, part)
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_yaml_describes_the_models(exported):
    params = yaml.safe_load((exported / "miniature.yaml").read_text())["model"]["params"]
    unet, first = params["unet_config"]["params"], params["first_stage_config"]["params"]
    assert (params["linear_start"], params["linear_end"], params["timesteps"]) == (0.00085, 0.012, 1000)
    assert params["scale_factor"] == SCALE
    assert (unet["model_channels"], unet["channel_mult"], unet["num_res_blocks"]) == (128, [1, 1, 1], 1)
    assert (unet["attention_resolutions"], unet["num_heads"], unet["context_dim"]) == ([2, 4], 4, 192)
    assert (first["ddconfig"]["ch"], first["ddconfig"]["ch_mult"], first["ddconfig"]["num_res_blocks"]) == (64, [1, 1, 1, 1], 0)
    assert first["embed_dim"] == first["ddconfig"]["z_channels"] == 4
    assert params["cond_stage_config"]["params"]["version"] == str((exported / "clip").resolve())


def test_clip_folder_has_the_files_that_old_transformers_read(miniature, exported):
    clip, words = exported / "clip", miniature.parent / "words"
    assert json.loads((clip / "vocab.json").read_text()) == json.loads((words / "vocab.json").read_text())
    assert (clip / "merges.txt").read_text(encoding="utf-8") == (words / "merges.txt").read_text(encoding="utf-8")
    config = json.loads((clip / "config.json").read_text())
    assert (config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]) == (192, 3, config["eos_token_id"] + 1)
    settings = json.loads((clip / "tokenizer_config.json").read_text())
    assert (settings["bos_token"], settings["eos_token"]) == (tokenizers.START, tokenizers.END)


def test_a_second_export_replaces_the_first(miniature, tmp_path):
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "stale").touch()
    (tmp_path / "miniature.yaml").write_text("stale")
    export.main([str(tmp_path), "--model", str(miniature)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip", "miniature.safetensors", "miniature.yaml"]
    assert not (tmp_path / "clip" / "stale").exists()
    assert "stale" not in (tmp_path / "miniature.yaml").read_text()


SHARD = "unet/diffusion_pytorch_model-00002-of-00002.safetensors"


@pytest.mark.parametrize("lost", ["", "vae", "text_encoder/model.safetensors", "scheduler/scheduler_config.json", SHARD])
def test_an_incomplete_folder_is_said_in_one_line(lost, miniature, tmp_path, capsys):
    broken = copy(miniature, tmp_path / "broken")
    shutil.rmtree(broken / lost) if (broken / lost).is_dir() else (broken / lost).unlink()
    with pytest.raises(SystemExit) as stopped:
        export.main([str(tmp_path / "out"), "--model", str(broken)])
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert str(broken) in line
    assert "--model" in line
    assert not (tmp_path / "out").exists()


def test_a_lost_tokenizer_is_not_taken_for_an_empty_one(miniature, tmp_path):
    broken = copy(miniature, tmp_path / "broken")
    (broken / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="tokens"):
        export.load(broken)


def test_a_lost_weight_is_not_made_up(miniature, tmp_path):
    broken = copy(miniature, tmp_path / "broken")
    file = broken / "text_encoder" / "model.safetensors"
    weights = load_file(file)
    lost = next(name for name in weights if name.endswith("final_layer_norm.bias"))
    save_file({name: value for name, value in weights.items() if name != lost}, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="final_layer_norm"):
        export.load(broken)


UNSAYABLE = [("unet", "norm_num_groups", 16), ("unet", "freq_shift", 1), ("vae", "shift_factor", 0.1)]


@pytest.mark.parametrize(("part", "key", "value"), UNSAYABLE)
def test_what_the_layout_cannot_express_is_refused(part, key, value, miniature, tmp_path):
    other = copy(miniature, tmp_path / "other")
    config = other / part / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), key: value}))
    with pytest.raises(ValueError, match=key):
        export.export(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()
