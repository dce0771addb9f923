# Packages are built in a stage of their own; the image holds them, the source, and no compiler.
FROM python:3.13-slim AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements/base.txt requirements/otel.txt requirements/prod.txt /tmp/requirements/
RUN /opt/venv/bin/pip install -r /tmp/requirements/prod.txt

FROM python:3.13-slim
# docker build --build-arg RELEASE_COMMIT=$(git rev-parse HEAD): the gates ask for this commit's test results.
ARG RELEASE_COMMIT=
ENV RELEASE_COMMIT=$RELEASE_COMMIT \
    PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=scheduler_saas.settings.prod
RUN groupadd --system --gid 10001 scheduler \
    && useradd --system --uid 10001 --gid scheduler --home-dir /nonexistent --no-create-home scheduler
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
# Hashed and compressed at build time. The values satisfy the settings here and are no part of the image.
RUN SECRET_KEY=build VAULT_KEYS=build DATABASE_URL=postgresql://build/build \
    python manage.py collectstatic --noinput
USER scheduler
EXPOSE 8000
# For the web process; compose.yaml says why schedulers and workers need none.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["gunicorn", "scheduler_saas.wsgi:application"]
