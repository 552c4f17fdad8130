"""The file that MLflow runs to load a packaged model ("models from code")."""

import sys
from pathlib import Path

from mlflow.models import set_model

from mlp.model.seal import DESCRIPTION, check_seal

folder = Path(__file__).parent
if (folder / DESCRIPTION).exists():  # not while it is being packaged
    check_seal(folder)  # before anything else of the folder is run

from mlp.serving.classifier import Classifier  # noqa: E402

classifier = Classifier()
server = sys.modules.get("mlflow.pyfunc.scoring_server.app")
if server is not None and "app" not in vars(server):  # which is loading the model
    from mlp.serving.guard import guard_server

    guard_server(server, classifier)
set_model(classifier)
# MLflow puts the packaged source first: processes that start later would find it, and not a whole
# project that there is
sys.path.sort(key=lambda place: Path(place).is_relative_to(folder))
