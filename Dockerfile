# syntax=docker/dockerfile:1
# A node of Meridian. Built in two stages, so that what runs has neither sources nor compilers.
# The base images are pinned by version; pin them by digest where your registry serves digests.

FROM node:20.19.5-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# libsql brings its native part as a package for each platform: no compiler, no script is needed.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.base.json tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
COPY replication ./replication
COPY cdc ./cdc
COPY crdt ./crdt
COPY benchmarks ./benchmarks
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:20.19.5-bookworm-slim
ENV NODE_ENV=production
WORKDIR /opt/meridian
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY --from=build /build/benchmarks/thresholds.json ./benchmarks/thresholds.json
COPY --from=build /build/benchmarks/topologies/*.yaml ./benchmarks/topologies/
COPY package.json LICENSE ./
COPY bin ./bin
COPY templates ./templates
# A name for `import 'meridian'` in schemas that stand outside of this folder.
RUN ln -s /opt/meridian /opt/meridian/node_modules/meridian \
  && ln -s /opt/meridian/bin/meridian.mjs /usr/local/bin/meridian \
  && mkdir -p /var/lib/meridian /etc/meridian \
  && ln -s /opt/meridian/node_modules /etc/meridian/node_modules \
  && chown node:node /var/lib/meridian
USER node
WORKDIR /var/lib/meridian
VOLUME /var/lib/meridian
EXPOSE 4400
# The node takes SIGTERM itself, finishes what is in progress, and ends.
STOPSIGNAL SIGTERM
ENV MERIDIAN_HEALTH_URL=http://127.0.0.1:4400/healthz
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["node", "-e", "fetch(process.env.MERIDIAN_HEALTH_URL).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/meridian/bin/meridian.mjs"]
CMD ["help"]
