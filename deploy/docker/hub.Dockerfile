# The hub. Run in the top folder:
#   docker build -f deploy/docker/hub.Dockerfile -t gohm/hub:0.2.0 .
# Without internet access: run `npm ci && npm run build` outside, then use --build-arg SOURCE=built to copy the result, and
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
COPY hub hub
COPY web web
RUN node scripts/build.ts hub page

FROM scratch AS built
COPY dist/gohm /src/dist/gohm
COPY dist/gohm.mjs /src/dist/gohm.mjs
COPY dist/gohm.licenses.txt /src/dist/gohm.licenses.txt
COPY dist/web /src/dist/web
COPY node_modules/better-sqlite3 /src/node_modules/better-sqlite3

# Repeats the default, because podman and buildah otherwise regard the stage as unused.
FROM ${SOURCE:-build} AS source

FROM ${NODE}
WORKDIR /opt/gohm
COPY --from=source /src/dist/gohm dist/gohm
COPY --from=source /src/dist/gohm.mjs dist/gohm.mjs
COPY --from=source /src/dist/gohm.licenses.txt dist/gohm.licenses.txt
COPY --from=source /src/dist/web dist/web
COPY --from=source /src/node_modules/better-sqlite3/package.json node_modules/better-sqlite3/package.json
COPY --from=source /src/node_modules/better-sqlite3/lib node_modules/better-sqlite3/lib
COPY --from=source /src/node_modules/better-sqlite3/prebuilds node_modules/better-sqlite3/prebuilds
RUN install -d -m 0700 -o 65532 -g 65532 /data && ln -s /opt/gohm/dist/gohm /usr/local/bin/gohm
USER 65532:65532
ENV GOHM_DATA=/data GOHM_SETTINGS=/etc/gohm/settings.json
VOLUME /data
EXPOSE 5000 9204
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m CMD ["node", "-e", "fetch('http://127.0.0.1:5000/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/gohm/dist/gohm.mjs"]
