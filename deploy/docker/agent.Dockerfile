# The agent. Run in the top folder:
#   docker build -f deploy/docker/agent.Dockerfile -t gohm/hmonitor:0.2.0 .
# Without internet access: run `npm run build` outside, then use --build-arg SOURCE=built to copy dist/hmonitor, and
# --build-arg NODE=registry.example/node:24-bookworm-slim to name an image that you have.
ARG NODE=docker.io/library/node:24-bookworm-slim
ARG SOURCE=build

FROM ${NODE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY buf.yaml buf.gen.yaml tsconfig.json ./
COPY scripts scripts
COPY proto proto
COPY program program
COPY agent agent
RUN node scripts/build.ts agent

FROM scratch AS built
COPY dist/hmonitor /src/dist/hmonitor

# Repeats the default, because podman and buildah otherwise regard the stage as unused.
FROM ${SOURCE:-build} AS source

FROM ${NODE}
COPY --from=source --chmod=0755 /src/dist/hmonitor /usr/local/bin/hmonitor
ENV XDG_CACHE_HOME=/var/cache/hmonitor
# Unpacks the agent's native module for both users it may run as, so that the container's file system may be read-only. libc stands
# in for a driver library: the agent unpacks the module before it finds out that this is no driver.
RUN mkdir -m 0755 /var/cache/hmonitor \
 && install -d -m 0700 -o 65532 -g 65532 /var/cache/hmonitor/hmonitor-65532 \
 && GOHM_NVML=libc.so.6 hmonitor info >/dev/null 2>&1 \
 && ls /var/cache/hmonitor/hmonitor-0/*.node
USER 65532:65532
RUN GOHM_NVML=libc.so.6 hmonitor info >/dev/null 2>&1 && ls /var/cache/hmonitor/hmonitor-65532/*.node
# Mount the machine's root here, read-only.
ENV GOHM_ROOT=/host
EXPOSE 9203 8080
ENTRYPOINT ["/usr/local/bin/hmonitor"]
