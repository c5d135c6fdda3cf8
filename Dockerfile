# dockgate, as the only program of its image.
#
# The builder may be any image with Rust, gcc or clang and a C library: Debian's or Alpine's.
ARG RUST_IMAGE=rust:1-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /src
# The dependencies are a layer of their own: they change less often than the sources.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches examples \
    && touch src/lib.rs benches/decision.rs examples/demo.rs \
    && cargo fetch --locked
COPY . .
# A static binary, whichever C library the builder has. Naming the target, which is the builder's
# own, keeps the flag from the build script and the procedural macros: they must be loadable.
RUN target=$(rustc --print host-tuple) \
    && RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --target "$target" \
    && mkdir -p /image /run/volumes/dockgate \
    && cp "target/$target/release/dockgate" /image/dockgate \
    && ln -s dockgate /image/healthcheck \
    && chmod 0775 /run/volumes/dockgate

FROM scratch
# A second name: health checks that were written for wollomatic/socket-proxy run ./healthcheck.
COPY --from=build /image/ /
# For a Unix socket: a new volume that is mounted here takes its owner and mode over, so that
# dockgate can make the socket in it as user 65534, and as root without any capability.
COPY --from=build --chown=65534:0 /run/volumes/ /run/
WORKDIR /
EXPOSE 2375
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/dockgate", "healthcheck"]
ENTRYPOINT ["/dockgate"]
