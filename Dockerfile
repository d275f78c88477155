# syntax=docker/dockerfile:1
# Two stages: packages are installed with their hashes checked, then only what runs is taken along.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv --without-pip /venv
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python -m pip install --require-hashes -r requirements/build.txt \
 && python -m pip --python /venv/bin/python install --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
# The bytecode is made here, once, and is valid whatever the files' times: nothing is written at run time.
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python -m pip --python /venv/bin/python install --no-deps /wheels/*.whl \
 && /venv/bin/python -m compileall -q -f --invalidation-mode unchecked-hash /venv

FROM python:3.13-slim
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
 && rm -rf /usr/local/lib/python3.13/ensurepip
COPY --from=build /venv /venv
# LOGNAME: Kopf asks for the user's name at its start, and the number below has none.
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LOGNAME=pratique
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["pratique"]
CMD ["run"]
