# The image of the daemon: one binary, certificates, nothing else. Pin both images by digest in your own pipeline.
#
#   docker build -t registry.example.com/tidegauge:0.1.0 .

# Of the same Debian as the final image, whose C library the binary is linked with.
FROM rust:1.94-trixie AS build
WORKDIR /build

# The dependencies in a layer of their own: building them takes minutes, and they change with Cargo.lock only. Cargo
# wants something to build them for.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/gauge \
    && echo 'fn main() {}' > src/main.rs \
    && cp src/main.rs benches/gauge/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked

COPY src src
COPY config config
# What was copied may be older than what was built above, and Cargo goes by the time: it would ship the empty program.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked

# No shell and no package manager; the C library, and the certificates that TLS to the clouds is checked against.
FROM gcr.io/distroless/cc-debian13:nonroot
COPY LICENSE /usr/share/doc/tidegauge/LICENSE
COPY --from=build /build/target/release/tidegauge /usr/local/bin/tidegauge
# By number: the kubelet cannot tell of a name whether it is root.
USER 65532:65532
# Metrics and health. The API stays on loopback (9746).
EXPOSE 9747
ENTRYPOINT ["/usr/local/bin/tidegauge"]
