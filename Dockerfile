# An image for the pods of docs/cluster.md: `docker build -t mlp:0.1.0 .`
# With a GPU: `docker build --build-arg TORCH_INDEX=https://pypi.org/simple -t mlp:0.1.0-cuda .`
FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/mlp
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir $(grep ^torch== requirements.txt) --index-url $TORCH_INDEX \
    && pip install --no-cache-dir -r requirements.txt
COPY MLproject conda.yaml ./
COPY mlp mlp
COPY scripts scripts
# MLflow starts commands in /mlflow/projects/code
ENV PYTHONPATH=/opt/mlp MLP_CACHE=/tmp/mlp-cache
RUN useradd --create-home mlp && install -d -o mlp /mlflow/projects/code
USER mlp
WORKDIR /home/mlp
CMD ["python", "-m", "scripts.study", "--help"]
