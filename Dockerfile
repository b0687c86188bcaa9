# The gateway's image. It also holds the simulator and the key commands: they are verbs of the
# same program.
#
#     docker build -t pointsman .
#     docker run --rm pointsman check /etc/pointsman/gateway.yaml
#
# It needs no writable home and no writable root: mount a tmpfs at /tmp and /run/pointsman and run
# it with --read-only.
FROM python:3.12.12-slim-bookworm AS packages

# Wheels only, every hash checked: nothing is compiled, and nothing else can come in.
COPY requirements.lock /requirements.lock
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install \
        --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary=:all: -r /requirements.lock

FROM python:3.12.12-slim-bookworm

# A number, so that an orchestrator can see that it is not root.
RUN groupadd --system --gid 10001 pointsman \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent pointsman \
    && install -d -o 10001 -g 10001 /run/pointsman

COPY --from=packages /opt/venv /opt/venv
COPY proxy/ /app/proxy/
COPY config/ /etc/pointsman/
RUN /opt/venv/bin/python -m compileall -q /app/proxy

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PROMETHEUS_MULTIPROC_DIR=/run/pointsman

USER 10001:10001
WORKDIR /app
EXPOSE 8080

HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]

ENTRYPOINT ["python", "-m", "proxy"]
CMD ["serve", "--config", "/etc/pointsman/gateway.yaml"]
