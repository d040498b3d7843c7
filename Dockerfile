# fixturepipe for a project that is mounted on /site: see docs/install.md.
#
#   docker build -t fixturepipe .                                the target is a server of yours
#   docker build -t fixturepipe --target rehearsal .             with the embedded MariaDB
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev pkg-config libmariadb-dev \
 && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/fixturepipe
ENV PATH=/opt/fixturepipe/bin:$PATH
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY fixturepipe fixturepipe
RUN pip install --no-cache-dir '.[postgresql]'

FROM python:${PYTHON}-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends libmariadb3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home fixturepipe
# Owned by the user, so that an image on top can install a project's requirements.
COPY --from=build --chown=fixturepipe /opt/fixturepipe /opt/fixturepipe
ENV PATH=/opt/fixturepipe/bin:$PATH
WORKDIR /site
ENTRYPOINT ["fixturepipe"]
CMD ["--help"]

FROM base AS rehearsal
RUN apt-get update \
 && apt-get install -y --no-install-recommends mariadb-server-core mariadb-client-core \
 && rm -rf /var/lib/apt/lists/*
USER fixturepipe

FROM base
USER fixturepipe
