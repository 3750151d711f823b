#!/usr/bin/env python3
"""Writes the small .npy and .npz files of tests/data/dataset as NumPy does (made with NumPy 2.4).

    make_golden.py OUTDIR        (OUTDIR: tests/data/dataset)

Every array holds 0, 1, 2, ... in row-major order; bool arrays hold them modulo 2. Not run by the tests.
"""
import pathlib
import struct
import sys
import zlib

import numpy as np
from numpy.lib import format as npy_format

DTYPES = ["f2", "f4", "f8", "u1", "i1", "b1", "u2", "i2", "u4", "i4", "u8", "i8"]


def counting(shape, dtype):
    values = np.arange(int(np.prod(shape))).reshape(shape)
    return (values % 2 if dtype == "b1" else values).astype(dtype)


def zip64(name, content):
    """A zip whose sizes, offset and directory are all in zip64 fields, though they would fit without."""
    raw = name.encode()
    crc, size = zlib.crc32(content), len(content)
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 0, 0, 0, crc, 0xFFFFFFFF, 0xFFFFFFFF, len(raw), 20)
    local += raw + struct.pack("<HHQQ", 1, 16, size, size) + content
    central = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, 0, 0, 0, 0, crc, 0xFFFFFFFF, 0xFFFFFFFF, len(raw),
                          28, 0, 0, 0, 0, 0xFFFFFFFF)
    central += raw + struct.pack("<HHQQQ", 1, 24, size, size, 0)
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 1, 1, len(central), len(local))
    locator = struct.pack("<IIQI", 0x07064B50, 0, len(local) + len(central), 1)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return local + central + end64 + locator + end


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for dtype in DTYPES:
        np.save(out / f"{dtype}.npy", counting((2, 3, 4), dtype))
    np.save(out / "fortran.npy", np.asfortranarray(counting((2, 3, 4), "f4")))
    np.save(out / "scalar.npy", np.float32(0))
    np.save(out / "empty.npy", counting((0, 3), "f4"))
    np.save(out / "big_endian.npy", counting((2, 3), ">f4"))
    np.save(out / "records.npy", np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]))
    np.save(out / "complex.npy", counting((2, 2), "c8"))
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(out / f"version{version[0]}.npy", "wb") as file:
            npy_format.write_array(file, counting((2, 3, 4), "f4"), version=version)
    arrays = {"ids": counting((1, 5), "i8"), "mask": counting((1, 5), "b1")}
    np.savez(out / "stored.npz", **arrays)
    np.savez_compressed(out / "deflated.npz", **arrays)
    np.savez(out / "unnamed.npz", counting((1, 5), "i8"), counting((1, 5), "b1"))
    np.savez_compressed(out / "zeros.npz", x=np.zeros((1, 3, 64, 64), "f4"))
    (out / "zip64.npz").write_bytes(zip64("ids.npy", (out / "i8.npy").read_bytes()))


main()
