# docker build .                               both engines, with compilers and tools for all thirteen languages
# docker build --build-arg TOOLCHAINS=small .  both engines, with only Python, JavaScript, TypeScript, Node and bash
# docker build --target daytona .              only the Daytona engine: this image runs no programs
#
# For amd64 and arm64. docs/docker.md lists their sizes, and the options that the embedded engine needs.

ARG TOOLCHAINS=full

# Common to all images: the user, the start command, the health check, and bytecode, which python:slim lacks and which
# cannot be written later. Unchecked hashes keep the bytecode valid when a copy changes the times of files.
FROM python:3.12-slim AS base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /srv/adapter
RUN groupadd --gid 10001 adapter \
    && useradd --system --uid 10001 --gid adapter --home-dir /srv/adapter adapter \
    && install -d -o adapter -g adapter data \
    && python -m compileall -qq --invalidation-mode unchecked-hash -x '/(site-packages|test|idlelib|lib2to3)/' /usr/local/lib
ENV PATH=/opt/service/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    SANDBOX_RUNTIME=/opt/sandbox \
    FILE_STORE_URL=/srv/adapter/data
VOLUME /srv/adapter/data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s CMD ["python", "-m", "app", "doctor", "--quick"]
CMD ["python", "-m", "app", "serve"]

FROM base AS packages
COPY requirements.txt /build/
RUN /usr/local/bin/python -m venv /opt/service \
    && /opt/service/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes -r /build/requirements.txt

FROM base AS tree
COPY app ./app
COPY librechat_code_interpreter ./librechat_code_interpreter
COPY sandbox/packages.txt sandbox/extra.txt sandbox/fonts.py ./sandbox/
RUN python -m compileall -qq --invalidation-mode unchecked-hash app librechat_code_interpreter

FROM base AS daytona
ENV ADAPTER_ENGINE=daytona
COPY --from=packages /opt/service /opt/service
COPY --from=tree /srv/adapter/app /srv/adapter/app
COPY --from=tree /srv/adapter/librechat_code_interpreter /srv/adapter/librechat_code_interpreter
COPY --from=tree /srv/adapter/sandbox /srv/adapter/sandbox
USER 10001

# Debian packages for programs
FROM base AS toolchains-small
COPY sandbox/apt-small.txt /build/
# Debian keeps only the newest version of a release, so a pinned one breaks the next build; pipefail is set in base
# hadolint ignore=DL3008,DL4006
RUN apt-get update \
    && sed 's/#.*//' /build/apt-small.txt | xargs apt-get install --yes --no-install-recommends \
    && rm -rf /var/lib/apt/lists/*

FROM toolchains-small AS toolchains-full
COPY sandbox/apt.txt /build/
# hadolint ignore=DL3008,DL4006
RUN apt-get update \
    && sed 's/#.*//' /build/apt.txt | xargs apt-get install --yes --no-install-recommends \
    && rm -rf /var/lib/apt/lists/*

# The sandbox runtime, after Debian's fonts, which it lists for matplotlib
# hadolint ignore=DL3006  # a stage of this file, not an image
FROM toolchains-${TOOLCHAINS} AS runtime
WORKDIR /build
COPY sandbox ./sandbox
RUN python sandbox/install.py /opt/sandbox

# hadolint ignore=DL3006
FROM toolchains-${TOOLCHAINS}
COPY --from=runtime /opt/sandbox /opt/sandbox
COPY --from=packages /opt/service /opt/service
COPY --from=tree /srv/adapter/app /srv/adapter/app
COPY --from=tree /srv/adapter/librechat_code_interpreter /srv/adapter/librechat_code_interpreter
COPY --from=tree /srv/adapter/sandbox /srv/adapter/sandbox
USER 10001
