# syntax=docker/dockerfile:1
FROM rust:1-bookworm AS build
# libclang reads the C headers of PostgreSQL's grammar.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libclang-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# The caches outlive the build, the binary must not stay in one.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin pgairlock \
 && install -D target/release/pgairlock /out/pgairlock

FROM debian:bookworm-slim
# The roots that an upstream's certificate is checked against when no ca is configured.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/pgairlock --create-home pgairlock
COPY --from=build /out/pgairlock /usr/local/bin/pgairlock
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/pgairlock/
USER pgairlock
WORKDIR /var/lib/pgairlock
# The store holds the audit log and promised work: keep it.
VOLUME /var/lib/pgairlock
# PostgreSQL's protocol; health and metrics.
EXPOSE 6432 9187
# The image has neither curl nor wget; bash can open a socket.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9187 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["pgairlock"]
# Another command line replaces all of this; --upstream has no default that could be right. The dashboard is off until a config file says who may see it.
CMD ["serve", "--listen", "0.0.0.0:6432", "--admin", "0.0.0.0:9187", "--dashboard", "off", "--store", "/var/lib/pgairlock/pgairlock.db", "--upstream", "postgres:5432"]
