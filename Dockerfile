# The image of the daemon: one binary, certificates, nothing else. BuildKit builds it (Docker 23 or newer does by itself):
#
#   docker build -t registry.example.com/tidegauge:0.1.0 .
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/tidegauge:0.1.0 --push .
#
# `make image` goes through these very steps without Docker; pin both images by digest in your own pipeline.
#
# The C library is glibc and not musl, in a static binary: musl has one lock for all that is allocated, on every thread, and
# the budgets in docs/performance.md are met with glibc's allocator with little to spare.

# Of the same Debian as the final image, whose C library the binary is linked with. It runs on the builder's own kind of
# machine whatever the image is for: to compile for another one takes minutes, to emulate one takes hours.
FROM --platform=$BUILDPLATFORM rust:1.94-trixie AS build
ARG TARGETARCH
WORKDIR /build

# What it takes to build for another kind of machine. Nothing is installed where it is the same.
# hadolint ignore=DL3008
RUN case "$TARGETARCH" in \
        amd64) target=x86_64 debian=x86-64 ;; \
        arm64) target=aarch64 debian=aarch64 ;; \
        *) echo "there is no build for $TARGETARCH" >&2; exit 1 ;; \
    esac \
    && echo "$target-unknown-linux-gnu" >/target \
    && if [ "$(dpkg --print-architecture)" != "$TARGETARCH" ]; then \
        rustup target add "$target-unknown-linux-gnu" \
        && apt-get update \
        && apt-get install -y --no-install-recommends "gcc-$debian-linux-gnu" "libc6-dev-$TARGETARCH-cross" \
        && rm -rf /var/lib/apt/lists/*; \
    fi
# Cargo goes by the name of a target, and asks the builder's own linker otherwise.
ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc

COPY Cargo.toml Cargo.lock ./
COPY config config
COPY src src
# The crates and what was built of them stay with the builder: only what changed is built anew. Sources may be older than
# what was built of other ones, such as those of another branch, and Cargo goes by the time: it would ship the other one.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin tidegauge --target "$(cat /target)" \
    && cp "target/$(cat /target)/release/tidegauge" /tidegauge

# No shell and no package manager; the C library, time zones, and the certificates that TLS to the clouds is checked against.
FROM gcr.io/distroless/cc-debian13:nonroot
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tidegauge" \
      org.opencontainers.image.description="Measures how stale the data is in each cell of a multi-region, multi-active store" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /usr/share/doc/tidegauge/LICENSE
COPY --from=build /tidegauge /usr/local/bin/tidegauge
# By number: the kubelet cannot tell of a name whether it is root. It writes nothing: the root may be read-only.
USER 65532:65532
# Metrics and health. The API stays on loopback (9746).
EXPOSE 9747
# Of the process alone, never of the clouds. It asks the listener that the environment or the defaults say; where a file of
# settings moves `server.listen`, say so here, too: --health-cmd "/usr/local/bin/tidegauge --config FILE health". Kubernetes
# takes no notice of it.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/tidegauge", "health"]
ENTRYPOINT ["/usr/local/bin/tidegauge"]
