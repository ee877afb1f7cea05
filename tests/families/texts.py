"""Text encoders of language models, tiny and with random weights, and tokenizers of whole words for them."""

from __future__ import annotations

from functools import cache
from typing import Any

from pipelines import KINDS
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import BatchEncoding, PreTrainedTokenizerFast

from lib_vlmneg.miniature import captions

PAD, START, END, PREFIX = "<pad>", "<|im_start|>", "<|im_end|>", ("[gMASK]", "<sop>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
)
TINY: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.2,
    "pad_token_id": 0,
}


class GlmTokenizer(PreTrainedTokenizerFast):
    """In place of Kolors' ChatGLMTokenizer, which wants a SentencePiece model: it too says where the words stand."""

    def __call__(self, *args: Any, **kwargs: Any) -> BatchEncoding:
        encoded = super().__call__(*args, **kwargs)
        if kwargs.get("return_tensors"):
            encoded["position_ids"] = (encoded["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        return encoded


@cache
def words(first: tuple[str, ...] = (), side: str = "right", kind: type = PreTrainedTokenizerFast):
    """Knows the captions' words, marks and line breaks; `first` open every text, and padding is on this `side`."""
    special = [PAD, "<unk>", START, END, *first]
    known = [*special, *captions.vocabulary(), *KINDS, ",", ".", ":", "\n", "system", "user", "assistant"]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(known))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n|\w+|[^\w\s]+"), "removed", invert=True)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join([*first, "$A"]), special_tokens=[(word, vocabulary[word]) for word in first]
    )
    return kind(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token="<unk>",
        additional_special_tokens=[START, END, *first],
        padding_side=side,
        chat_template=TEMPLATE,
    )


def qwen3(layers: int = 2):
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(vocab_size=len(words()), head_dim=16, **TINY | {"num_hidden_layers": layers})
    return Qwen3Model(config).eval()


def qwen_vl(layers: int = 2):
    """Qwen2.5-VL, whose eyes are not used."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    rope = {"rope_type": "default", "mrope_section": [2, 3, 3]}
    text = {
        "vocab_size": len(words()),
        "rope_parameters": rope,
        "bos_token_id": 1,
        "eos_token_id": 3,
        **TINY,
        "num_hidden_layers": layers,
    }
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision | {"fullatt_block_indexes": [0]})
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def qwen3_vl(written: bool = False):
    """Qwen3-VL, whose eyes are not used; `written`, with the head that writes."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLModel

    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True, "rope_theta": 10000.0}
    text = {"vocab_size": len(words()), "head_dim": 16, "rope_parameters": rope, **TINY}
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32}
    config = Qwen3VLConfig(text_config=text, vision_config=vision | {"deepstack_visual_indexes": [0]})
    return (Qwen3VLForConditionalGeneration if written else Qwen3VLModel)(config).eval()


def gemma2():
    from transformers import Gemma2Config, Gemma2Model

    config = Gemma2Config(vocab_size=len(words(("<bos>",))), head_dim=16, query_pre_attn_scalar=16, **TINY)
    return Gemma2Model(config).eval()


def glm4():
    from transformers import GlmConfig, GlmModel

    return GlmModel(GlmConfig(vocab_size=len(words(PREFIX, "left")), head_dim=16, eos_token_id=3, **TINY)).eval()


def chat_glm():
    """ChatGLM3, of which diffusers has a class of its own: that leaves the norms to be loaded."""
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

    config = ChatGLMConfig(
        num_layers=2,
        padded_vocab_size=len(words(PREFIX, "left", GlmTokenizer)),
        hidden_size=32,
        ffn_hidden_size=32,
        kv_channels=16,
        num_attention_heads=2,
        seq_length=256,
        add_qkv_bias=True,
        multi_query_attention=True,
        original_rope=True,
    )
    model = ChatGLMModel(config, empty_init=False)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data.fill_(1.0)
    return model.eval()


def umt5():
    from pipelines import t5_tokenizer
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(vocab_size=len(t5_tokenizer()), d_model=32, d_kv=16, d_ff=32, num_layers=1, num_heads=2)
    return UMT5EncoderModel(config).eval()


def bert():
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=len(words()), max_position_embeddings=128, **TINY)
    return BertModel(config, add_pooling_layer=False).eval()


def llama(layers: int = 3, causal: bool = False, vocabulary: int | None = None):
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel

    config = LlamaConfig(vocab_size=vocabulary or len(words()), head_dim=16, **TINY | {"num_hidden_layers": layers})
    return (LlamaForCausalLM if causal else LlamaModel)(config).eval()


def t5_gemma():
    from transformers import T5GemmaConfig
    from transformers.models.t5gemma.modeling_t5gemma import T5GemmaEncoder, T5GemmaModuleConfig

    half = T5GemmaModuleConfig(vocab_size=len(words(("<bos>",))), head_dim=16, query_pre_attn_scalar=16, **TINY)
    return T5GemmaEncoder(T5GemmaConfig(encoder=half, decoder=half, is_encoder_decoder=False).encoder).eval()


class Processor:
    """In the place of one that reads pictures too: the text alone."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer

    def __call__(self, text: Any, images: Any = None, videos: Any = None, **kwargs: Any) -> Any:
        return self.tokenizer(text, **kwargs)

    def apply_chat_template(self, messages: Any, **kwargs: Any) -> Any:
        plain = [{**each, "content": _text(each["content"])} for each in messages]
        made = self.tokenizer.apply_chat_template(plain, **kwargs)
        return [made] if kwargs.get("tokenize") else made


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
