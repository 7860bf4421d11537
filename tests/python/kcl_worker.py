"""A worker of kcl-rs: `kcl_worker.py STREAM TABLE WORKER RECORDS [PAGE]` reads by polling, prints the message of each
record that it checkpointed, and stops after so many, or when standard input closes. Nothing but complaints goes to
standard error. With PAGE, how many records to ask for at once, it prints in the end how many bytes came, and no messages.
"""

import gzip
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class CloudWatch(BaseHTTPRequestHandler):
    """Takes the metrics, which cannot be turned off. No emulator speaks the protocol they are sent in."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        if self.headers["Transfer-Encoding"] == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers["Content-Length"]))
        empty_map = b"\xa0"
        self.send_response(200)
        self.send_header("Content-Type", "application/cbor")
        self.send_header("Smithy-Protocol", "rpc-v2-cbor")
        self.send_header("Content-Length", str(len(empty_map)))
        self.end_headers()
        self.wfile.write(empty_map)

    def log_message(self, *args):
        pass


cloudwatch = ThreadingHTTPServer(("127.0.0.1", 0), CloudWatch)
threading.Thread(target=cloudwatch.serve_forever, daemon=True).start()
os.environ["AWS_ENDPOINT_URL_CLOUDWATCH"] = f"http://127.0.0.1:{cloudwatch.server_port}"

from kcl_rs import RecordProcessorBase, Scheduler  # noqa: E402

stream, table, worker = sys.argv[1:4]
wanted = int(sys.argv[4])
page = int(sys.argv[5]) if len(sys.argv) > 5 else None
seen_bytes = 0
lock = threading.Lock()
done = threading.Event()


class Processor(RecordProcessorBase):
    def initialize(self, initialize_input):
        pass

    def process_records(self, process_records_input):
        global wanted, seen_bytes
        with lock:
            records = process_records_input.records[:wanted]
            if not records:
                return
            last = records[-1]
            process_records_input.checkpointer.checkpoint(last.sequence_number, last.sub_sequence_number)
            if page:
                seen_bytes += sum(len(record.data) for record in records)
            else:
                for record in records:
                    print(json.loads(gzip.decompress(record.data))["logEvents"][0]["message"])
                sys.stdout.flush()
            wanted -= len(records)
            if not wanted:
                done.set()

    def lease_lost(self, lease_lost_input):
        pass

    def shard_ended(self, shard_ended_input):
        shard_ended_input.checkpointer.checkpoint()

    def shutdown_requested(self, shutdown_requested_input):
        pass  # what was read behind the last checkpoint was not printed


def stop_with_parent():
    # Not by `sys.stdin`, whose lock Python would miss at its end.
    while os.read(0, 4096):
        pass
    done.set()


scheduler = Scheduler(
    stream_name=stream,
    application_name=table,
    record_processor_factory=Processor,
    worker_identifier=worker,
    region="us-east-1",
    initial_position="TRIM_HORIZON",
    retrieval_mode="POLLING",
    max_records=page or 20,
    idle_time_between_reads_millis=200,
    # How long it takes to notice its own first leases, too: a minute, if not told otherwise.
    shard_sync_interval_millis=1000,
)
scheduler.start()
threading.Thread(target=stop_with_parent, daemon=True).start()
done.wait()
scheduler.shutdown()
if page:
    print(seen_bytes)
