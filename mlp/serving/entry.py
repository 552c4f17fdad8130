"""What MLflow runs to load a packaged model ("models from code")."""

from mlflow.models import set_model

from mlp.serving.classifier import Classifier
from mlp.serving.guard import guard_server

guard_server()
set_model(Classifier())
