"""Tiny vision-language models with random weights, made offline: the same at every call, and quick enough for any test."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

from pathlib import Path

import torch

SIDE, PATCH = 32, 8  # pixels
WORDS = "a an the is it of in on what this main object image red green blue dog cat tree house Yes No A B C D"
INSTRUCTIONS = ("Answer with a single word.", "Answer with up to 3 different words, separated by commas.")
CHAT = """{% for message in messages %}{{ message.role | upper }}: {% if message.content is string %}{{ message.content }}\
{% else %}{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}{% else %}<image>
{% endif %}{% endfor %}{% endif %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"""


def llava(folder: Path, seed: int = 0) -> Path:
    """A LLaVA (CLIP's vision with 32 px, two layers of Llama) with its processor and chat template, saved in `folder`.

    It says words of its own vocabulary, which depend on the picture and mean nothing.
    """
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = chat_tokenizer()
    vision = CLIPVisionConfig(
        image_size=SIDE, patch_size=PATCH, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    )
    language = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.5, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision,
        text_config=language,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=(SIDE // PATCH) ** 2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(config).eval()
    processor = LlavaProcessor(
        image_processor=picture_processor(),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # CLIP's class token, which the strategy drops again
        chat_template=CHAT,
    )
    words = {f"Ġ{word}" for word in WORDS.split()} | {tokenizer.eos_token}  # Ġ is how byte pairs write a blank
    model.generation_config.suppress_tokens = sorted(
        set(range(len(tokenizer))) - {*tokenizer.convert_tokens_to_ids(sorted(words))}
    )
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def chat_tokenizer():
    """Byte pairs, trained on a few words, so that each of them is one token and any other text is spelled."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<s>", "</s>", "<image>"],
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
        extra_special_tokens={"image_token": "<image>"},
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
