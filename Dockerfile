# docker build -t kinesis-logs-reader .
# docker run -v ./pipeline.toml:/etc/kinesis-logs-reader/pipeline.toml:ro -v state:/var/lib/kinesis-logs-reader kinesis-logs-reader
#
# Checkpoints are in the volume if the configuration says data_dir = "/var/lib/kinesis-logs-reader". For others than the
# container itself to reach the API it needs api.address = "0.0.0.0:8686". Credentials come from the task's or pod's role.
# Ending takes up to 60 s: give it more than Docker's ten (docker stop --time 75, stop_grace_period, stopTimeout,
# terminationGracePeriodSeconds).

ARG RUST_VERSION=1.94.1
FROM rust:${RUST_VERSION}-slim-trixie AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin kinesis-logs-reader \
    && cp target/release/kinesis-logs-reader /usr/bin/kinesis-logs-reader \
    && mkdir /state

# The C library and certificates of authorities, no shell.
FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /usr/bin/kinesis-logs-reader /usr/bin/kinesis-logs-reader
COPY --from=build --chown=nonroot:nonroot /state /var/lib/kinesis-logs-reader
VOLUME /var/lib/kinesis-logs-reader
EXPOSE 8686
USER nonroot
ENTRYPOINT ["/usr/bin/kinesis-logs-reader"]
CMD ["run", "--log-format", "json", "/etc/kinesis-logs-reader/*.toml"]
