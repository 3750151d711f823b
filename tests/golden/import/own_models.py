"""Architectures that no package brings, small."""

from __future__ import annotations

import torch
import torchvision
import transformers
from torch import Tensor, nn
from torch.nn import functional as F


class RetinaNetParts(nn.Module):
    """RetinaNet up to what its anchors need: logits and boxes of every level."""

    def __init__(self) -> None:
        super().__init__()
        model = torchvision.models.detection.retinanet_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=11)
        self.backbone, self.head = model.backbone, model.head

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.head(list(self.backbone(x).values()))


class Outputs(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class T5Encoder(Outputs):
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        result = self.model(input_ids=input_ids, attention_mask=attention_mask)
        return {"last_hidden_state": result.last_hidden_state}


def t5_encoder() -> nn.Module:
    config = transformers.T5Config(vocab_size=99, d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu")
    return T5Encoder(transformers.T5EncoderModel(config))


class WhisperEncoder(Outputs):
    def forward(self, input_features: Tensor) -> dict[str, Tensor]:
        return {"last_hidden_state": self.model(input_features).last_hidden_state}


def whisper_encoder() -> nn.Module:
    config = transformers.WhisperConfig(
        num_mel_bins=16, d_model=64, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=96, decoder_attention_heads=4, max_source_positions=30
    )
    return WhisperEncoder(transformers.WhisperModel(config).encoder)


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(12, 16, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Gru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(12, 16, num_layers=2, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[1][-1])


class ConvBlock(nn.Sequential):
    def __init__(self, channels: int, out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out), nn.SiLU(inplace=True)
        )


class Csp(nn.Module):
    """Two halves, one through residual blocks, joined."""

    def __init__(self, channels: int, out: int, blocks: int = 1) -> None:
        super().__init__()
        self.stem = ConvBlock(channels, out)
        self.blocks = nn.ModuleList(
            nn.Sequential(ConvBlock(out // 2, out // 2, 3), ConvBlock(out // 2, out // 2, 3)) for _ in range(blocks)
        )
        self.join = ConvBlock((2 + blocks) * out // 2, out)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.stem(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(parts[-1] + block(parts[-1]))
        return self.join(torch.cat(parts, 1))


class Sppf(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = ConvBlock(channels, channels // 2)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.join = ConvBlock(channels * 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        first = self.pool(x)
        second = self.pool(first)
        return self.join(torch.cat((x, first, second, self.pool(second)), 1))


class Yolo(nn.Module):
    """Backbone, path aggregation and an anchor-free head, with the decoding of boxes by integral regression."""

    BINS = 8

    def __init__(self, classes: int = 6, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvBlock(3, width, 3, 2), ConvBlock(width, width * 2, 3, 2), Csp(width * 2, width * 2))
        self.middle = nn.Sequential(ConvBlock(width * 2, width * 4, 3, 2), Csp(width * 4, width * 4, 2))
        self.deep = nn.Sequential(ConvBlock(width * 4, width * 8, 3, 2), Csp(width * 8, width * 8), Sppf(width * 8))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.top_down = Csp(width * 12, width * 4)
        self.down = ConvBlock(width * 4, width * 4, 3, 2)
        self.bottom_up = Csp(width * 12, width * 8)
        self.heads = nn.ModuleList(nn.Conv2d(c, 4 * self.BINS + classes, 1) for c in (width * 4, width * 8))
        self.register_buffer("bins", torch.arange(self.BINS, dtype=torch.float32))
        self.classes = classes

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        middle = self.middle(self.stem(x))
        deep = self.deep(middle)
        fine = self.top_down(torch.cat((self.up(deep), middle), 1))
        coarse = self.bottom_up(torch.cat((self.down(fine), deep), 1))
        levels = [head(level) for head, level in zip(self.heads, (fine, coarse), strict=True)]
        boxes = torch.cat([self._boxes(level, x.shape[-1] // level.shape[-1]) for level in levels], 1)
        scores = torch.cat([level[:, 4 * self.BINS :].flatten(2).transpose(1, 2) for level in levels], 1)
        return {"boxes": boxes, "scores": scores.sigmoid()}

    def _boxes(self, level: Tensor, stride: int) -> Tensor:
        n, _, rows, columns = level.shape
        sides = level[:, : 4 * self.BINS].view(n, 4, self.BINS, rows * columns).softmax(2)
        left, top, right, bottom = torch.einsum("nsbp,b->nsp", sides, self.bins).unbind(1)
        y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
        x, y = x.flatten(), y.flatten()
        return torch.stack((x - left, y - top, x + right, y + bottom), -1) * stride


class VoiceDetector(nn.Module):
    """Spectrogram by convolution over reflected audio, convolutions, an LSTM whose state is given and returned."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = nn.Conv1d(1, 2 * 33, 64, stride=32, bias=False)
        self.encoder = nn.Sequential(
            nn.Conv1d(33, 32, 3, padding=1), nn.ReLU(), nn.Conv1d(32, 32, 3, stride=2, padding=1), nn.BatchNorm1d(32), nn.ReLU()
        )
        self.lstm = nn.LSTM(32, 32, batch_first=True)
        self.head = nn.Conv1d(32, 1, 1)

    def forward(self, audio: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
        padded = F.pad(audio, (0, 64), mode="reflect")
        real, imaginary = self.spectrum(padded.unsqueeze(1)).chunk(2, 1)
        features = self.encoder((real**2 + imaginary**2).sqrt().add(1e-6).log())
        state = (h.transpose(0, 1).contiguous(), c.transpose(0, 1).contiguous())
        out, (h, c) = self.lstm(features.permute(0, 2, 1), state)
        speech = torch.sigmoid(self.head(F.relu(out.permute(0, 2, 1)))).mean(-1)
        return {"speech": speech, "h_next": h.transpose(0, 1), "c_next": c.transpose(0, 1)}


class UNet(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first, self.second, self.third = (self._block(a, b) for a, b in ((3, width), (width, 2 * width), (2 * width, 4 * width)))
        self.up = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.fine = self._block(4 * width, 2 * width)
        self.finest = self._block(3 * width, width)
        self.head = nn.Conv2d(width, 2, 1)

    @staticmethod
    def _block(channels: int, out: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1), nn.GroupNorm(4, out), nn.Mish(), nn.InstanceNorm2d(out, affine=True))

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        second = self.second(F.avg_pool2d(first, 2))
        third = self.third(F.max_pool2d(second, 2))
        fine = self.fine(torch.cat((self.up(third), second), 1))
        large = F.interpolate(fine, size=first.shape[-2:], mode="bilinear", align_corners=True)
        return self.head(self.finest(torch.cat((large, first), 1)))


class Seq2Seq(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Transformer(32, 4, 2, 2, 48, batch_first=True, norm_first=True, activation="gelu")

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return self.transformer(source, target, tgt_mask=mask, tgt_is_causal=False)
