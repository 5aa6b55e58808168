"""Writes TFRecord files of tf.train.Example, for tests."""

import struct

import google_crc32c

from wire.v1 import example_pb2


def framed(data):
    """One record: length, checksum, data, checksum."""

    def checked(part):
        crc = google_crc32c.value(part)
        return part + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    return checked(struct.pack("<Q", len(data))) + checked(data)


def example(**features):
    """An Example, serialized; each value is a list, of one kind: bytes, float or int."""
    written = example_pb2.Example()
    for name, values in features.items():
        feature = written.features.feature[name]
        lists = {bytes: feature.bytes_list, float: feature.float_list, int: feature.int64_list}
        if values:
            lists[type(values[0])].value.extend(values)
    return written.SerializeToString(deterministic=True)


def write_records(path, records):
    """A file of these records; its path."""
    path.write_bytes(b"".join(map(framed, records)))
    return path
