"""Opens records, one in base64 a line, with aws_kinesis_agg; prints the user records of each, or null if it is plain."""

import base64
import contextlib
import io
import json
import sys

from aws_kinesis_agg.deaggregator import iter_deaggregate_records


def open_container(data):
    record = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "data": data,
        }
    }
    opened = []
    for user_record in iter_deaggregate_records([record]):
        kinesis = user_record["kinesis"]
        if not kinesis.get("aggregated"):
            return None
        data = kinesis["data"].decode("ascii")
        opened.append([kinesis["subSequenceNumber"], kinesis["partitionKey"], kinesis["explicitHashKey"], data])
    return opened


for line in sys.stdin:
    # It prints what is wrong with a container, and goes on.
    with contextlib.redirect_stderr(io.StringIO()):
        opened = open_container(line.strip())
    print(json.dumps(opened))
