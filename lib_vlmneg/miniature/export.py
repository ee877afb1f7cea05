"""python -m lib_vlmneg.miniature.export OUT: a pipeline folder as one checkpoint of Stable Diffusion 1's first layout, ldm's.

AUTOMATIC1111 builds the models from the .yaml beside the checkpoint (modules/sd_models_config.py:132), which names clip/.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn

from . import WEIGHTS

NEEDED = dict.fromkeys(("unet", "vae", "text_encoder"), "*.safetensors") | dict.fromkeys(("tokenizer", "scheduler"), "*.json")
REMEDY = "name another with --model, or make one with python -m lib_vlmneg.miniature.train"

# Modules in diffusers, and where ldm keeps them. Inside a transformer the names are the same in both.
UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "mid_block.attentions.0": "middle_block.1", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip
UNET_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
VAE = {
    "mid_block.resnets.0": "mid.block_1", "mid_block.resnets.1": "mid.block_2", "mid_block.attentions.0": "mid.attn_1",
    "_blocks": "", "resnets": "block", "samplers.0": "sample", "conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut",
    "group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out",
}  # fmt: skip

# What ldm's classes do without being told: anything else would load, and draw something different.
FIXED = {
    "unet": {"act_fn": "silu", "norm_num_groups": 32, "norm_eps": 1e-5, "flip_sin_to_cos": True, "freq_shift": 0},
    "vae": {"act_fn": "silu", "norm_num_groups": 32, "shift_factor": None, "use_quant_conv": True},
    "scheduler": {"beta_schedule": "scaled_linear", "prediction_type": "epsilon", "rescale_betas_zero_snr": False},
}


def export(model: Path, out: Path, name: str = "miniature", dtype: torch.dtype = torch.float16) -> Path:
    """Writes NAME.safetensors, NAME.yaml and clip/ into `out` from the pipeline folder `model`; gives the path of the first.

    Raises ValueError, before anything is written, if the folder is incomplete or holds what the layout cannot express.
    """
    pipeline = load(model)
    weights = {key: value.detach().to(dtype).contiguous() for key, value in tensors(pipeline).items()}
    settings = yaml.safe_dump(description(pipeline, (out / "clip").resolve()), sort_keys=False)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as folder:
        partial = Path(folder)
        save_file(weights, partial / f"{name}.safetensors", metadata={"format": "pt"})
        (partial / f"{name}.yaml").write_text(settings, encoding="utf-8")
        _write_clip(pipeline, partial / "clip")
        shutil.rmtree(out / "clip", ignore_errors=True)
        for part in sorted(partial.iterdir()):
            part.replace(out / part.name)
    return out / f"{name}.safetensors"


def load(folder: Path) -> SimpleNamespace:
    """unet, vae, text_encoder, tokenizer and scheduler. Raises ValueError if one is missing, broken or not of this layout."""
    missing = [f"{part}/{files}" for part, files in NEEDED.items() if not any((folder / part).glob(files))]
    if missing:
        raise ValueError(f"{folder} is no whole pipeline (no {', '.join(missing)}): {REMEDY}")
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizerFast

    kinds = (UNet2DConditionModel, AutoencoderKL, CLIPTextModel, CLIPTokenizerFast, DDPMScheduler)
    try:
        parts = SimpleNamespace(**{part: _read(kind, folder / part) for part, kind in zip(NEEDED, kinds, strict=True)})
        if len(parts.tokenizer) != parts.text_encoder.config.vocab_size:  # what is not there reads as an empty tokenizer
            raise ValueError(f"a tokenizer of {len(parts.tokenizer)} tokens is not that of the text encoder")
    except Exception as error:  # each kind of damage has its own class
        raise ValueError(f"{folder} is damaged ({' '.join(str(error).split())}): {REMEDY}") from error
    for part, wanted in FIXED.items():
        config = getattr(parts, part).config
        wrong = [f"{key} = {config[key]}" for key, value in wanted.items() if config.get(key, value) != value]
        if wrong:
            raise ValueError(f"{folder / part}: the layout cannot express {', '.join(wrong)}")
    return parts


def _read(kind: type, path: Path) -> object:
    if not issubclass(kind, nn.Module):
        return kind.from_pretrained(path, local_files_only=True)
    model, report = kind.from_pretrained(path, local_files_only=True, output_loading_info=True)
    if report["missing_keys"]:
        raise ValueError(f"{path} lacks weights, such as {min(report['missing_keys'])}")
    return model


def tensors(pipeline: SimpleNamespace) -> dict[str, Tensor]:
    """Every parameter of the three models under its name in the checkpoint; noise schedule and positions the host computes."""
    places, levels = unet_places(pipeline.unet.config), len(pipeline.vae.config["block_out_channels"])
    result = {f"model.diffusion_model.{_moved(key, places)}": value for key, value in pipeline.unet.named_parameters()}
    for key, value in pipeline.vae.named_parameters():
        value = value[:, :, None, None] if value.ndim == 2 else value  # 1x1 convolutions (ldm: diffusionmodules/model.py:158)
        result[f"first_stage_model.{vae_key(key, levels)}"] = value
    for key, value in pipeline.text_encoder.named_parameters():  # transformers 5 leaves out the level text_model
        result[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = value
    return result


def _moved(key: str, places: dict[str, str]) -> str:
    for source, target in places.items():
        if key.startswith(source + "."):
            return target + key[len(source) :]
    raise ValueError(f"unet: the layout has no place for {key}")


def unet_places(config: dict) -> dict[str, str]:
    """The modules of a U-Net of this config, name in diffusers to name in ldm, and some that it does not have."""
    layers, attends = config["layers_per_block"], ["CrossAttn" in kind for kind in config["up_block_types"]]
    places, resnets = dict(UNET), {"mid_block.resnets.0": "middle_block.0", "mid_block.resnets.1": "middle_block.2"}
    for level in range(len(attends)):
        for layer in range(layers + 1):
            index = level * (layers + 1) + layer
            down, up = f"input_blocks.{1 + index}", f"output_blocks.{index}"
            resnets |= {f"down_blocks.{level}.resnets.{layer}": f"{down}.0", f"up_blocks.{level}.resnets.{layer}": f"{up}.0"}
            places[f"down_blocks.{level}.attentions.{layer}"] = f"{down}.1"
            places[f"up_blocks.{level}.attentions.{layer}"] = f"{up}.1"
        places[f"down_blocks.{level}.downsamplers.0.conv"] = f"{down}.0.op"
        places[f"up_blocks.{level}.upsamplers.0.conv"] = f"{up}.{2 if attends[level] else 1}.conv"
    for source, target in resnets.items():
        places |= {f"{source}.{name}": f"{target}.{place}" for name, place in UNET_RESNET.items()}
    return places


def vae_key(key: str, levels: int) -> str:
    """The name in ldm of a parameter of an autoencoder with `levels` levels. Going up, too, ldm counts them from the finest."""
    if re.search(r"_blocks\.\d+\.attentions", key):
        raise ValueError(f"vae: the layout has no place for {key}")
    for name, place in VAE.items():
        key = key.replace(name, place)
    return re.sub(r"(?<=\.up\.)\d+", lambda found: str(levels - 1 - int(found[0])), key)


def description(pipeline: SimpleNamespace, clip: Path) -> dict:
    """What the host builds the models from, in the shape of its v1-inference.yaml; `clip` is where the tokenizer will be."""
    unet, vae, noise = pipeline.unet.config, pipeline.vae.config, pipeline.scheduler.config
    width, vae_width = unet["block_out_channels"][0], vae["block_out_channels"][0]
    unet_params = {
        "image_size": unet["sample_size"], "in_channels": unet["in_channels"], "out_channels": unet["out_channels"],
        "model_channels": width, "channel_mult": [each // width for each in unet["block_out_channels"]], "legacy": False,
        "attention_resolutions": [2**level for level, kind in enumerate(unet["down_block_types"]) if "CrossAttn" in kind],
        "num_heads": unet["attention_head_dim"],  # a misnomer that diffusers keeps (unet_2d_condition.py:251)
        "num_res_blocks": unet["layers_per_block"], "use_spatial_transformer": True, "context_dim": unet["cross_attention_dim"],
        "transformer_depth": unet["transformer_layers_per_block"], "use_linear_in_transformer": unet["use_linear_projection"],
    }  # fmt: skip
    ddconfig = {
        "double_z": True, "z_channels": vae["latent_channels"], "resolution": vae["sample_size"], "attn_resolutions": [],
        "in_channels": vae["in_channels"], "out_ch": vae["out_channels"], "num_res_blocks": vae["layers_per_block"],
        "ch": vae_width, "ch_mult": [each // vae_width for each in vae["block_out_channels"]], "dropout": 0.0,
    }  # fmt: skip
    first = {"embed_dim": vae["latent_channels"], "ddconfig": ddconfig, "lossconfig": {"target": "torch.nn.Identity"}}
    params = {
        "linear_start": noise["beta_start"], "linear_end": noise["beta_end"], "timesteps": noise["num_train_timesteps"],
        "image_size": unet["sample_size"], "channels": unet["in_channels"], "scale_factor": vae["scaling_factor"],
        "first_stage_key": "jpg", "cond_stage_key": "txt", "conditioning_key": "crossattn", "use_ema": False,
        "unet_config": {"target": "ldm.modules.diffusionmodules.openaimodel.UNetModel", "params": unet_params},
        "first_stage_config": {"target": "ldm.models.autoencoder.AutoencoderKL", "params": first},
        "cond_stage_config": {"target": "ldm.modules.encoders.modules.FrozenCLIPEmbedder", "params": {"version": str(clip)}},
    }  # fmt: skip
    return {"model": {"target": "ldm.models.diffusion.ddpm.LatentDiffusion", "params": params}}


def _write_clip(pipeline: SimpleNamespace, folder: Path) -> None:
    """The files that the host's transformers 4.30 reads; it does not find the one file that version 5 saves."""
    pipeline.text_encoder.config.save_pretrained(folder)
    pipeline.tokenizer.backend_tokenizer.model.save(str(folder))
    config = {key: str(getattr(pipeline.tokenizer, key)) for key in ("bos_token", "eos_token", "unk_token", "pad_token")}
    config |= {"model_max_length": pipeline.tokenizer.model_max_length, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The command line. Exit status 2 and one line on stderr if there is nothing to export or nowhere to write."""
    parser = argparse.ArgumentParser(prog="python -m lib_vlmneg.miniature.export", description=__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="where to, such as the host's models/Stable-diffusion")
    parser.add_argument("--model", metavar="FOLDER", type=Path, default=WEIGHTS, help="what (default: %(default)s)")
    parser.add_argument("--name", default="miniature", help="of the files, without ending")
    parser.add_argument("--dtype", choices=("float16", "float32"), default="float16")
    options = parser.parse_args(arguments)
    try:
        print(export(options.model, options.out, options.name, getattr(torch, options.dtype)))
    except (ValueError, OSError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
