#!/usr/bin/env python3
"""Records what Pillow and torchvision make of small images, for tests/unit/preprocess.

    make_golden.py OUTDIR        (OUTDIR: tests/data/preprocess)

Writes images/*, cases.json, and expected.bin: pixels as uint8 and tensors as little-endian float32, each at
the offset and with the dimensions that its case names.
Made with Pillow 13.0.0, torchvision 0.28.0, libturbojpeg 2.1 (only to encode YCCK). Not run by the tests.
"""
import ctypes
import ctypes.util
import io
import json
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image
import torchvision.transforms as T
from torchvision.transforms import InterpolationMode

FILTERS = {"nearest": 0, "bilinear": 2, "bicubic": 3, "lanczos": 1}
MODES = {name: InterpolationMode[name.upper()] for name in FILTERS}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
random = np.random.default_rng(20)


def scene(height, width, channels=3):
    """Smooth colours with edges and noise: something that every filter changes."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin(x / (3 + c)) * np.cos(y / (4 + c)) for c in range(channels)]
    image = np.stack(planes, -1) + random.normal(0, 12, (height, width, channels))
    image[height // 3 : height // 2, width // 4 : width // 2] = 255
    image[height // 2 :, 3 * width // 4 :] = 0
    return np.clip(image, 0, 255).astype(np.uint8)


def png(samples, depth, color, interlace=0, palette=None, transparency=None):
    """A PNG of `samples` [height, width, channels], filter 0 in every row."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def rows(part):
        out = b""
        for row in part:
            flat = row.reshape(-1)
            if depth == 16:
                out += b"\0" + flat.astype(">u2").tobytes()
            elif depth == 8:
                out += b"\0" + flat.astype(np.uint8).tobytes()
            else:
                bits = ((flat[:, None] >> np.arange(depth)[::-1]) & 1).astype(np.uint8)
                out += b"\0" + np.packbits(bits.reshape(-1)).tobytes()
        return out

    height, width = samples.shape[:2]
    parts = [samples]
    if interlace:
        parts = [samples[y0::dy, x0::dx] for x0, y0, dx, dy in ADAM7]
    raw = b"".join(rows(part) for part in parts if part.size)
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace))
    if palette is not None:
        out += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if transparency:
        out += chunk(b"tRNS", transparency)
    return out + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def ycck(cmyk):
    library = ctypes.CDLL(ctypes.util.find_library("turbojpeg") or "libturbojpeg.so.0")
    library.tjInitCompress.restype = ctypes.c_void_p
    out, size = ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_ulong()
    height, width = cmyk.shape[:2]
    status = library.tjCompress2(ctypes.c_void_p(library.tjInitCompress()), cmyk.tobytes(), width, 0, height, 11,
                                 ctypes.byref(out), ctypes.byref(size), 2, 90, 0)
    assert status == 0
    return bytes(out[: size.value])


def jpeg(pixels, mode, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels, mode).save(stream, "JPEG", **options)
    return stream.getvalue()


def jpegs():
    photo = scene(37, 53)
    yield "rgb_420.jpg", jpeg(photo, "RGB", quality=90, subsampling="4:2:0")
    yield "rgb_422.jpg", jpeg(photo, "RGB", quality=75, subsampling="4:2:2")
    yield "rgb_444.jpg", jpeg(photo, "RGB", quality=95, subsampling="4:4:4")
    yield "rgb_411.jpg", jpeg(photo, "RGB", quality=80, subsampling="4:1:1")
    yield "rgb_coded_as_rgb.jpg", jpeg(photo, "RGB", quality=90, keep_rgb=True)
    yield "progressive.jpg", jpeg(photo, "RGB", quality=85, progressive=True)
    yield "restart_markers.jpg", jpeg(photo, "RGB", quality=85, restart_marker_blocks=2)
    yield "gray.jpg", jpeg(photo[:, :, 0], "L", quality=85)
    yield "cmyk.jpg", jpeg(scene(21, 30, 4), "CMYK", quality=90)
    yield "ycck.jpg", ycck(scene(21, 30, 4))
    yield "one_pixel.jpg", jpeg(photo[:1, :1], "RGB", quality=90)
    yield "orientation_6.jpg", jpeg(photo, "RGB", quality=90, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")


def pngs():
    for color, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            for interlace in (0, 1):
                samples = random.integers(0, 2**depth, (13, 11, CHANNELS[color]))
                palette = random.integers(0, 256, (2**depth, 3)) if color == 3 else None
                name = f"color{color}_{depth}bit{'_interlaced' if interlace else ''}.png"
                yield name, png(samples, depth, color, interlace, palette)
    few = random.integers(0, 3, (9, 7, 1))
    yield "palette_transparent.png", png(few, 8, 3, 0, random.integers(0, 256, (3, 3)), b"\0\x80")
    yield "rgb_transparent.png", png(random.integers(0, 2, (5, 6, 3)), 8, 2, 0, None, b"\0\1\0\1\0\1")
    yield "gray_transparent.png", png(random.integers(0, 2, (5, 6, 1)), 8, 0, 0, None, b"\0\1")


def pillow(data, mode):
    image = Image.open(io.BytesIO(data))
    image.load()
    if image.mode == "I;16":  # Pillow clips to 255; the upper byte is what every other 16-bit PNG becomes
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8), "L")
    return image.convert(mode)


def transform(spec):
    steps = []
    if "resize" in spec:
        r = spec["resize"]
        steps.append(T.Resize(r.get("shorter") or (r["height"], r["width"]), MODES[r.get("filter", "bilinear")]))
    if "crop" in spec:
        steps.append(T.CenterCrop(spec["crop"]))
    return T.Compose(steps)


def tensor(image, spec):
    """As torchvision's ToTensor and Normalize, in double: [C, H, W]."""
    pixels = np.asarray(transform(spec)(image), dtype=np.float64)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if spec.get("color") == "bgr":
        pixels = pixels[:, :, ::-1]
    values = (pixels * spec.get("scale", 1.0) - spec.get("mean", 0.0)) / spec.get("std", 1.0)
    return values if spec.get("layout") == "nhwc" else values.transpose(2, 0, 1)


SPECS = [
    {"resize": {"shorter": 21, "filter": "bilinear"}, "crop": [18, 18], "scale": 1 / 255,
     "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    {"resize": {"shorter": 21, "filter": "bicubic"}, "crop": [18, 17], "color": "bgr", "layout": "nhwc",
     "scale": 1 / 127.5, "mean": [1.0, 1.0, 1.0]},
    {"resize": {"shorter": 20, "filter": "lanczos"}, "crop": [25, 40], "color": "gray", "scale": 1 / 255,
     "mean": [0.5], "std": [0.25]},
    {"resize": {"height": 19, "width": 23, "filter": "nearest"}},
    {"crop": [20, 26]},
    {"crop": [12, 61]},
    {"crop": [44, 11]},
    {"resize": {"shorter": 37, "filter": "bilinear"}, "crop": [3, 53]},
    {"crop": [10, 10], "layout": "nhwc"},
]
# Odd and even remainders, both orders of the passes, one axis only, extremes.
SIZES = [(20, 30), (19, 29), (40, 59), (37, 20), (20, 53), (5, 60), (60, 5), (10, 40), (1, 1), (36, 52), (100, 3)]


def main():
    out = pathlib.Path(sys.argv[1])
    (out / "images").mkdir(parents=True, exist_ok=True)
    expected = bytearray()
    cases = {"decode": [], "resize": [], "tensor": []}

    def record(kind, array, **case):
        cases[kind].append({**case, "offset": len(expected), "dims": list(array.shape)})
        expected.extend(array.tobytes())

    def pixels(image):
        array = np.asarray(image)
        return array[:, :, None] if array.ndim == 2 else array

    for name, data in list(jpegs()) + list(pngs()):
        (out / "images" / name).write_bytes(data)
        for mode in ("RGB", "L"):
            record("decode", pixels(pillow(data, mode)), image=name, gray=mode == "L")

    source = Image.open(out / "images/rgb_444.jpg").convert("RGB")
    for mode, filters in {"RGB": list(FILTERS), "L": ["bicubic"]}.items():
        for filter_name in filters:
            for height, width in SIZES:
                image = source.convert(mode).resize((width, height), FILTERS[filter_name])
                record("resize", pixels(image), image="rgb_444.jpg", gray=mode == "L", height=height, width=width,
                       filter=filter_name)

    for name, specs in {"rgb_444.jpg": SPECS, "gray.jpg": SPECS[:3]}.items():
        for spec in specs:
            mode = "L" if spec.get("color") == "gray" else "RGB"
            values = tensor(Image.open(out / "images" / name).convert(mode), spec)
            record("tensor", values.astype("<f4")[None], image=name, spec=spec)

    (out / "expected.bin").write_bytes(expected)
    (out / "cases.json").write_text(json.dumps(cases) + "\n")


main()
