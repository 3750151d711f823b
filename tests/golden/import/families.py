"""Model families that planish import is proven on: one row each. Weights are random."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import own_models
import timm
import torch
import torchvision
import transformers
from torch import Tensor, nn
from torch.export import Dim

Inputs = tuple[Tensor, ...] | dict[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Family:
    group: str
    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Inputs]  # of two rows
    output_names: tuple[str, ...] | None = None
    dynamic: Mapping[str, Mapping[int, str | Dim]] | None = None


def images(size: int = 64, channels: int = 3) -> Callable[[], Inputs]:
    return lambda: (torch.rand(2, channels, size, size),)


def tokens(length: int = 12, vocabulary: int = 90) -> Callable[[], Inputs]:
    def make() -> Inputs:
        mask = torch.ones(2, length, dtype=torch.int64)
        mask[1, length * 2 // 3 :] = 0
        return {"input_ids": torch.randint(3, vocabulary, (2, length)), "attention_mask": mask}

    return make


LENGTH = Dim("length", min=2, max=64)
OPEN_LENGTH = {"input_ids": {1: LENGTH}, "attention_mask": {1: LENGTH}}


class Outputs(nn.Module):
    """The outputs of that name of a model that returns a dictionary, or the position in a tuple."""

    def __init__(self, model: nn.Module, *names: str):
        super().__init__()
        self.model = model
        self.names = names
        self.forward = self._tokens if model.main_input_name == "input_ids" else self._one

    def _one(self, x: Tensor) -> dict[str, Tensor]:
        result = self.model(x)
        return {name: result[name] for name in self.names}

    def _tokens(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        result = self.model(input_ids=input_ids, attention_mask=attention_mask)
        return {name: result[name] for name in self.names}


def vision(name: str, size: int = 64, **options: object) -> Family:
    return Family("torchvision", name, lambda: getattr(torchvision.models, name)(weights=None, **options), images(size))


def segmentation(name: str, size: int = 65) -> Family:
    make = getattr(torchvision.models.segmentation, name)
    return Family("torchvision segmentation", name, lambda: make(weights=None, weights_backbone=None), images(size))


def timm_model(name: str, size: int = 64, **options: object) -> Family:
    return Family("timm", name, lambda: timm.create_model(name, pretrained=False, **options), images(size))


SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}  # fmt: skip


def text_encoder(kind: str, *outputs: str, **options: object) -> Family:
    def build() -> nn.Module:
        config = getattr(transformers, f"{kind}Config")(vocab_size=99, **options)
        return Outputs(getattr(transformers, f"{kind}Model")(config), *outputs)

    return Family("transformers", kind, build, tokens(), dynamic=OPEN_LENGTH)


def image_encoder(kind: str, size: int, *outputs: str, model: str = "Model", **options: object) -> Family:
    def build() -> nn.Module:
        config = getattr(transformers, f"{kind}Config")(**options)
        return Outputs(getattr(transformers, f"{kind}{model}")(config), *outputs)

    return Family("transformers", kind, build, images(size))


def _fpn(name: str) -> nn.Module:
    make = torchvision.models.detection.backbone_utils
    if name.startswith("mobilenet"):
        return make.mobilenet_backbone(backbone_name=name, weights=None, fpn=True)
    return make.resnet_fpn_backbone(backbone_name=name, weights=None)


def _wav2vec2() -> nn.Module:
    config = transformers.Wav2Vec2Config(
        **SMALL, conv_dim=(32,) * 4, conv_kernel=(10, 3, 3, 2), conv_stride=(5, 2, 2, 2), num_feat_extract_layers=4,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    return Outputs(transformers.Wav2Vec2Model(config), "last_hidden_state")


FAMILIES = [
    vision("alexnet"),
    vision("convnext_tiny"),
    vision("densenet121"),
    vision("efficientnet_b0"),
    vision("efficientnet_v2_s"),
    vision("googlenet", aux_logits=False, init_weights=False),
    vision("inception_v3", 75, init_weights=False, aux_logits=False),
    vision("maxvit_t", 224),
    vision("mnasnet0_5"),
    vision("mobilenet_v2"),
    vision("mobilenet_v3_small"),
    vision("regnet_y_400mf"),
    vision("resnet18"),
    vision("resnet50"),
    vision("resnext50_32x4d"),
    vision("shufflenet_v2_x0_5"),
    vision("squeezenet1_0"),
    vision("swin_t"),
    vision("swin_v2_t"),
    vision("vgg11_bn"),
    vision("vit_b_16", image_size=64),
    vision("wide_resnet50_2"),
    segmentation("fcn_resnet50"),
    segmentation("deeplabv3_mobilenet_v3_large"),
    segmentation("lraspp_mobilenet_v3_large"),
    Family("torchvision detection", "resnet18 with FPN", lambda: _fpn("resnet18"), images(96)),
    Family("torchvision detection", "mobilenet_v3_large with FPN", lambda: _fpn("mobilenet_v3_large"), images(96)),
    Family("torchvision detection", "RetinaNet head on FPN", own_models.RetinaNetParts, images(96)),
    Family("torchvision video", "r3d_18", lambda: torchvision.models.video.r3d_18(weights=None), lambda: (torch.rand(2, 3, 4, 32, 32),)),
    timm_model("convnextv2_atto"),
    timm_model("deit_tiny_patch16_224", 224),
    timm_model("eca_resnet33ts"),
    timm_model("edgenext_xx_small"),
    timm_model("efficientformerv2_s0", 224),
    timm_model("efficientvit_b0"),
    timm_model("fastvit_t8", 128),
    timm_model("focalnet_tiny_srf"),
    timm_model("ghostnet_100"),
    timm_model("hrnet_w18_small"),
    timm_model("levit_128s", 224),
    timm_model("mixer_s32_224", 224),
    timm_model("mobilenetv4_conv_small"),
    timm_model("mobilevit_xxs"),
    timm_model("nfnet_l0"),
    timm_model("poolformer_s12"),
    timm_model("pvt_v2_b0"),
    timm_model("repvgg_a0"),
    timm_model("resnet18d"),
    timm_model("tf_efficientnet_lite0"),
    timm_model("twins_pcpvt_small", 224),
    timm_model("eva02_tiny_patch14_224", 224),
    timm_model("xcit_nano_12_p16_224", 224),
    text_encoder("Albert", "last_hidden_state", "pooler_output", embedding_size=32, **SMALL),
    text_encoder("Bert", "last_hidden_state", "pooler_output", **SMALL),
    text_encoder("CLIPText", "last_hidden_state", "pooler_output", **SMALL),
    text_encoder("DebertaV2", "last_hidden_state", **SMALL, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8, share_att_key=True, norm_rel_ebd="layer_norm"),
    text_encoder("DistilBert", "last_hidden_state", dim=64, n_layers=2, n_heads=4, hidden_dim=96),
    text_encoder("Electra", "last_hidden_state", embedding_size=32, **SMALL),
    text_encoder("GPT2", "last_hidden_state", n_embd=64, n_layer=2, n_head=4, use_cache=False),
    text_encoder("Llama", "last_hidden_state", **SMALL, num_key_value_heads=2, use_cache=False),
    text_encoder("MPNet", "last_hidden_state", "pooler_output", **SMALL),
    text_encoder("ModernBert", "last_hidden_state", **SMALL, pad_token_id=0, local_attention=8),
    text_encoder("Roberta", "last_hidden_state", "pooler_output", **SMALL),
    Family("transformers", "T5 encoder", own_models.t5_encoder, tokens(), dynamic=OPEN_LENGTH),
    image_encoder("CLIPVision", 64, "last_hidden_state", "pooler_output", image_size=64, patch_size=16, **SMALL),
    image_encoder("Dinov2", 56, "last_hidden_state", "pooler_output", image_size=56, patch_size=14, **{k: v for k, v in SMALL.items() if k != "intermediate_size"}),
    image_encoder("Segformer", 64, "logits", model="ForSemanticSegmentation", hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], decoder_hidden_size=32),
    image_encoder("SiglipVision", 64, "last_hidden_state", "pooler_output", image_size=64, patch_size=16, **SMALL),
    image_encoder("ViT", 64, "last_hidden_state", "pooler_output", image_size=64, patch_size=16, **SMALL),
    Family("transformers", "Wav2Vec2", _wav2vec2, lambda: (torch.randn(2, 1600),)),
    Family("transformers", "Whisper encoder", own_models.whisper_encoder, lambda: (torch.randn(2, 16, 60),)),
    Family("own", "LSTM, two layers, both directions", own_models.Lstm, lambda: (torch.randn(2, 9, 12),)),
    Family("own", "GRU, two layers", own_models.Gru, lambda: (torch.randn(2, 9, 12),)),
    Family("own", "YOLO-like: CSP, SPPF, SiLU, upsample, concat", own_models.Yolo, images(64)),
    Family("own", "voice detector: STFT as convolution, LSTM with state", own_models.VoiceDetector,
           lambda: {"audio": torch.randn(2, 576), "h": torch.randn(2, 1, 32), "c": torch.randn(2, 1, 32)}),
    Family("own", "U-Net: transposed convolutions, group norm, bilinear", own_models.UNet, images(32)),
    Family("own", "Transformer encoder and decoder of torch.nn", own_models.Seq2Seq,
           lambda: {"source": torch.randn(2, 7, 32), "target": torch.randn(2, 5, 32)},
           dynamic={"source": {1: Dim("source_length", min=2, max=64)}, "target": {1: Dim("target_length", min=2, max=64)}}),
]  # fmt: skip
