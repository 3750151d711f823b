#!/usr/bin/env python3
"""Pillow + torchvision beside planish, one thread, interleaved round by round:

    preprocess_peer.py FOLDER PREPROCESS_BENCH [ROUNDS]

Both take encoded JPEGs from memory to the float32 tensor of the preset imagenet. Prints the fastest round of each,
in milliseconds per image, and the ratio.
"""
import io
import pathlib
import re
import subprocess
import sys
import time

import torch
import torchvision.transforms as T
from PIL import Image

TRANSFORM = T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(),
                       T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])


def peer_ms(images):
    start = time.perf_counter()
    for image in images:
        TRANSFORM(Image.open(io.BytesIO(image)).convert("RGB"))
    return (time.perf_counter() - start) * 1e3 / len(images)


def planish_ms(program, folder):
    out = subprocess.run([program, folder, "imagenet", "1"], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"min ([\d.]+)", out)[1])


def main():
    folder, program = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    torch.set_num_threads(1)
    images = [path.read_bytes() for path in sorted(pathlib.Path(folder).rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg")]
    pairs = [(peer_ms(images), planish_ms(program, folder)) for _ in range(rounds)]
    peer, planish = (min(column) for column in zip(*pairs))
    print(f"images {len(images)}, ms per image: Pillow + torchvision {peer:.3f}, planish {planish:.3f}, "
          f"ratio {peer / planish:.2f}")


main()
