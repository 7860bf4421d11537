"""Reads a format and records from standard input, then goes through as many of them as each further line says.

Answers with the nanoseconds that took, how many events there were, and a sum that shows that they were read.
"""

import gzip
import json
import sys
import time

import orjson
from isal import isal_zlib

stdin = sys.stdin.buffer
names = stdin.readline().decode().split()
records = [stdin.read(int(stdin.readline())) for _ in range(int(stdin.readline()))]
numbers = "version srcport dstport protocol packets bytes start end tcp_flags traffic_path encryption_status".split()
numbers = [name for name in numbers if name in names]


def usual(records):
    """As a function for AWS Lambda begins: the lines are there, and nothing is done with them."""
    events = length = 0
    for record in records:
        envelope = json.loads(gzip.decompress(record))
        for event in envelope["logEvents"]:
            events += 1
            length += len(event["message"])
    return events, length


def fast(records):
    """As someone does who looked for the fastest packages."""
    events = total = 0
    for record in records:
        envelope = orjson.loads(isal_zlib.decompress(record, 31))
        for event in envelope["logEvents"]:
            flow = dict(zip(names, event["message"].split(" ")))
            for name in numbers:
                value = flow[name]
                flow[name] = None if value == "-" else int(value)
            events += 1
            total += flow["bytes"] or 0
    return events, total


work = {"usual": usual, "fast": fast}
for line in stdin:
    name, count = line.decode().split()
    some = records[: int(count)]
    start = time.perf_counter_ns()
    events, checksum = work[name](some)
    print(time.perf_counter_ns() - start, events, checksum, flush=True)
