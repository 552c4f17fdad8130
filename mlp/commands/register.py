"""Register a study's best model."""

from mlp.commands.command import Answer, command
from mlp.settings.commands import FormatConfig, RegisterConfig
from mlp.settings.study import ReportConfig


@command(RegisterConfig, ReportConfig, FormatConfig)
def register(config: RegisterConfig, by: ReportConfig) -> Answer:
    """Make the best model of a study a version of a registered model, which can be served.

    The arm is the one that was shown to be better than the baseline, or else the baseline. The
    version becomes the challenger. It becomes the champion if it beats the present one on images
    that neither of them trained on. Then the test split is read, once.
    """
    from mlp.evidence.document import document
    from mlp.evidence.findings import weigh
    from mlp.serving import announcement, registry
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.store import open_store
    from mlp.tracking.mlflow.studies import MlflowStudies
    from mlp.workflows.registration import recorded_registration

    store = open_store(config.experiment_name, adopted=take_adopted_run())

    def undone(name: str) -> Answer:
        said = registry.undo(store, name)
        contents = {"name": name, "said": said.splitlines(), "tracking_uri": store.address}
        return Answer(said, document("undo", contents))

    if config.undo and config.name:
        return undone(registry.model_name(config.name, ""))
    studies = MlflowStudies(store)
    study = studies.read(studies.find(config.study))
    if config.undo:
        return undone(registry.model_name("", study.data_name))
    evidence = weigh(study, by.metric)
    made, run_id = recorded_registration(
        evidence, store, config.name, config.pick, config.force, by.lang
    )
    about = {"run_id": run_id, "tracking_uri": store.address}
    return Answer(announcement.terminal(made, by.lang, store), announcement.data(made) | about)
