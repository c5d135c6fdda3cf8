# An image that contains dockgate and no other program.
#
# The builder can be any image with Rust, gcc or clang, and a C library: Debian's or Alpine's.
ARG RUST_IMAGE=rust:1-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /src
# The dependencies get their own layer, because they change less often than the sources.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches examples \
    && touch src/lib.rs benches/answer.rs benches/body.rs benches/decision.rs examples/demo.rs examples/manual.rs \
    && cargo fetch --locked
COPY . .
# Builds a static binary with any C library. Naming the target explicitly keeps the flag away from
# the build script and the procedural macros, which must be loadable.
RUN target=$(rustc --print host-tuple) \
    && RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --target "$target" \
    && mkdir -p /image /run/volumes/dockgate \
    && cp "target/$target/release/dockgate" /image/dockgate \
    && ln -s dockgate /image/healthcheck \
    && chmod 0775 /run/volumes/dockgate

FROM scratch
# Health checks written for wollomatic/socket-proxy run ./healthcheck.
COPY --from=build /image/ /
# For a Unix socket: a new volume mounted here inherits this directory's owner and mode, so that
# dockgate can create the socket as user 65534, or as root without capabilities.
COPY --from=build --chown=65534:0 /run/volumes/ /run/
WORKDIR /
EXPOSE 2375
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/dockgate", "healthcheck"]
ENTRYPOINT ["/dockgate"]
