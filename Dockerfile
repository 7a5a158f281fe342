# An image that takes the place of TensorFlow Serving's: the same paths, ports, variables and flags.
#
#   docker build --tag servable .
#   docker run -p 8500:8500 -p 8501:8501 -v "$PWD/models:/models" -e MODEL_NAME=ranker servable

FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/servable
COPY requirements/runtime.txt requirements/
RUN /opt/servable/bin/pip install --no-cache-dir --require-hashes --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/servable/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
COPY --from=build /opt/servable /opt/servable
COPY deploy/tf_serving_entrypoint.sh deploy/tensorflow_model_server /usr/bin/
RUN useradd --system --uid 10001 --no-create-home servable && mkdir /models
ENV PATH=/opt/servable/bin:$PATH MODEL_NAME=model MODEL_BASE_PATH=/models
EXPOSE 8500 8501
USER 10001
ENTRYPOINT ["/usr/bin/tf_serving_entrypoint.sh"]
