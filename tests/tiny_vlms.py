"""Tiny vision-language models with random weights, made offline: the same at every call, and quick enough for any test."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

SIDE, PATCH = 32, 8  # pixels
WORDS = "a an the is it of in on what this main object image red green blue dog cat tree house Yes No A B C D"
INSTRUCTIONS = ("Answer with a single word.", "Answer with up to 3 different words, separated by commas.")
CHAT = """{% for message in messages %}{{ message.role | upper }}: {% if message.content is string %}{{ message.content }}\
{% else %}{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}{% else %}<image>
{% endif %}{% endfor %}{% endif %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"""

LAYERS = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
SMOL = ("<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>")
QWEN = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
QWEN_NAMES = ("image", "video", "vision_start", "vision_end")
QWEN_CHAT = CHAT.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")


def llava(folder: Path, seed: int = 0) -> Path:
    """A LLaVA (CLIP's vision with 32 px, two layers of Llama) with its processor and chat template, saved in `folder`.

    It says words of its own vocabulary, which depend on the picture and mean nothing.
    """
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = chat_tokenizer()
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=SIDE, patch_size=PATCH, **LAYERS),
        text_config=LlamaConfig(**LAYERS, **words_of(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=(SIDE // PATCH) ** 2,
    )
    processor = LlavaProcessor(
        image_processor=picture_processor(),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # CLIP's class token, which the strategy drops again
        chat_template=CHAT,
    )
    return saved(folder, seed, lambda: LlavaForConditionalGeneration(config), processor)


def idefics3(folder: Path, seed: int = 0) -> Path:
    """An Idefics3 (SmolVLM of 2024): SigLIP's vision with 32 px, shuffled to 4 tokens, and two layers of Llama."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor

    tokenizer, pictures = chat_tokenizer(SMOL), auto_pictures("idefics3")
    processor = Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=CHAT)
    return _smol(folder, seed, Idefics3Config, Idefics3ForConditionalGeneration, processor)


def smolvlm(folder: Path, seed: int = 0) -> Path:
    """A SmolVLM (the second, of 2025), whose processor has one for videos that needs torchvision, and needs num2words."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMProcessor, SmolVLMVideoProcessor

    videos = SmolVLMVideoProcessor(size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE})
    pictures, tokenizer = auto_pictures("smolvlm"), chat_tokenizer(SMOL)
    processor = SmolVLMProcessor(pictures, tokenizer, videos, image_seq_len=4, chat_template=CHAT)
    return _smol(folder, seed, SmolVLMConfig, SmolVLMForConditionalGeneration, processor)


def _smol(folder: Path, seed: int, kind: Any, model_kind: Any, processor: Any) -> Path:
    tokenizer = processor.tokenizer
    config = kind(
        vision_config={**LAYERS, "image_size": SIDE, "patch_size": PATCH},
        text_config={"model_type": "llama", **LAYERS, **words_of(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=2,
        tie_word_embeddings=False,
    )
    return saved(folder, seed, lambda: model_kind(config), processor)


def qwen(folder: Path, seed: int = 0) -> Path:
    """A Qwen2.5-VL, whose processor has one for videos that needs torchvision."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor, Qwen2VLVideoProcessor

    tokenizer = chat_tokenizer(QWEN)
    numbers = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in zip(QWEN_NAMES, QWEN)}
    sizes = {"patch_size": PATCH, "temporal_patch_size": 2, "spatial_merge_size": 2}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32, "window_size": 32,
              "fullatt_block_indexes": [1]}  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    text = {**LAYERS, **words_of(tokenizer), "rope_parameters": rope, "rope_scaling": rope}
    config = Qwen2_5_VLConfig(vision_config=vision | sizes, text_config=text, tie_word_embeddings=False, **numbers)
    seen = {"patch_size": PATCH, "merge_size": 2, "temporal_patch_size": 2, "min_pixels": 16 * 16, "max_pixels": 64 * 64}
    processor = Qwen2_5_VLProcessor(
        auto_pictures("qwen2_vl", **seen), tokenizer, Qwen2VLVideoProcessor(**seen), chat_template=QWEN_CHAT
    )
    return saved(folder, seed, lambda: Qwen2_5_VLForConditionalGeneration(config), processor)


def words_of(tokenizer: Any) -> dict[str, Any]:
    """What a language model's config says of its words."""
    ends = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    return {"vocab_size": len(tokenizer), "max_position_embeddings": 512, "initializer_range": 0.5, **ends}


def saved(folder: Path, seed: int, make: Callable[[], Any], processor: Any) -> Path:
    """A chat model that says words of its own vocabulary, which depend on the picture and mean nothing."""
    tokenizer = processor.tokenizer
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make().eval()
    words = {f"Ġ{word}" for word in WORDS.split()} | {tokenizer.eos_token}  # Ġ is how byte pairs write a blank
    model.generation_config.suppress_tokens = sorted(
        set(range(len(tokenizer))) - {*tokenizer.convert_tokens_to_ids(sorted(words))}
    )
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def auto_pictures(kind: str, **given: Any) -> Any:
    """The picture processor of such models, at our size, with torchvision or (where that is not) with PIL."""
    from importlib import import_module
    from importlib.util import find_spec

    names = {"idefics3": "Idefics3ImageProcessor", "smolvlm": "SmolVLMImageProcessor", "qwen2_vl": "Qwen2VLImageProcessor"}
    pil = "" if find_spec("torchvision") else "pil_"
    module = import_module(f"transformers.models.{kind}.image_processing_{pil}{kind}")
    given = given or {"size": {"longest_edge": 4 * SIDE}, "max_image_size": {"longest_edge": SIDE}}  # in pieces, as they come
    return getattr(module, names[kind] + ("Pil" if pil else ""))(**given)


def chat_tokenizer(marks: Sequence[str] = ("<image>",)):
    """Byte pairs, trained on a few words, so that each of them is one token and any other text is spelled."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<s>", "</s>", *marks],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [word for word in WORDS.split() for _ in range(20)] + [f" {word}" for word in WORDS.split() for _ in range(20)]
    tokens.train_from_iterator([*texts, *INSTRUCTIONS * 20, "USER: ASSISTANT:"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": marks[0]},
    )


def picture_processor():
    """CLIP's, at our size."""
    from transformers import CLIPImageProcessor

    size = {"height": SIDE, "width": SIDE}
    return CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=size)


def blip(folder: Path, seed: int = 0) -> Path:
    """A BLIP for question answering, with its processor, saved in `folder`."""
    from transformers import BertTokenizerFast, BlipConfig, BlipForQuestionAnswering, BlipImageProcessor, BlipProcessor

    letters = "abcdefghijklmnopqrstuvwxyz?.,"
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    words = list(dict.fromkeys([*marks, *WORDS.lower().split(), *letters, *(f"##{letter}" for letter in letters)]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"vocab_size": len(words), "encoder_hidden_size": 32, "max_position_embeddings": 64, "bos_token_id": 5,
            "pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3}  # fmt: skip
    seen = {"image_size": SIDE, "patch_size": PATCH}
    both = {"initializer_range": 0.3, "projection_dim": 32}
    config = BlipConfig(text_config=sizes | text | both, vision_config=sizes | seen | both, projection_dim=32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BlipForQuestionAnswering(config).eval()
    model.save_pretrained(folder)
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": SIDE, "width": SIDE}), tokenizer).save_pretrained(folder)
    return folder
