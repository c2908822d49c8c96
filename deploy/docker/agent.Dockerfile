# The agent. From the top folder:
#   docker build -f deploy/docker/agent.Dockerfile -t gohm/hmonitor:0.1.0 .
# Without the internet: `npm run build` outside, then --build-arg SOURCE=built takes dist/hmonitor as it is, and
# --build-arg NODE=registry.example/node:24-bookworm-slim names an image that is at hand.
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

# With the default once more: podman and buildah take a stage for unused that only the one above names.
FROM ${SOURCE:-build} AS source

FROM ${NODE}
COPY --from=source --chmod=0755 /src/dist/hmonitor /usr/local/bin/hmonitor
ENV XDG_CACHE_HOME=/var/cache/hmonitor
# What the agent calls the GPU driver with is unpacked now, for both users it may run as, so that the container's file system may be
# read-only: a driver library is named that loads and is none, which the agent finds out only after it has unpacked.
RUN mkdir -m 0755 /var/cache/hmonitor \
 && install -d -m 0700 -o 65532 -g 65532 /var/cache/hmonitor/hmonitor-65532 \
 && GOHM_NVML=libc.so.6 hmonitor info >/dev/null 2>&1 \
 && ls /var/cache/hmonitor/hmonitor-0/*.node
USER 65532:65532
RUN GOHM_NVML=libc.so.6 hmonitor info >/dev/null 2>&1 && ls /var/cache/hmonitor/hmonitor-65532/*.node
# The machine's root is to be mounted here, read-only.
ENV GOHM_ROOT=/host
EXPOSE 9203 8080
ENTRYPOINT ["/usr/local/bin/hmonitor"]
