# The service with both engines. See docs/docker.md for what the local engine needs of the container.

# The sandbox runtime, in a layer of its own: it is large and changes rarely.
FROM python:3.12-slim AS runtime
WORKDIR /build
COPY sandbox ./sandbox
RUN python sandbox/install.py /opt/sandbox

FROM python:3.12-slim AS service
COPY requirements.txt /build/requirements.txt
RUN python -m venv /opt/service \
    && /opt/service/bin/pip install --no-cache-dir --disable-pip-version-check -r /build/requirements.txt

FROM python:3.12-slim
# jq for bash programs; the runtime brings Python's packages, Bun and Node
# hadolint ignore=DL3008  # Debian keeps only the newest version of a release, so a pinned one breaks the next build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends jq \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /srv/adapter --create-home adapter \
    && install -d -o adapter -g adapter /srv/adapter/data
COPY --from=runtime /opt/sandbox /opt/sandbox
COPY --from=service /opt/service /opt/service
WORKDIR /srv/adapter
COPY app ./app
COPY sandbox/packages.txt sandbox/extra.txt ./sandbox/
ENV PATH=/opt/service/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    SANDBOX_RUNTIME=/opt/sandbox \
    FILE_STORE_URL=/srv/adapter/data
USER 10001
VOLUME /srv/adapter/data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=8)"]
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000", "--timeout-graceful-shutdown", "20"]
