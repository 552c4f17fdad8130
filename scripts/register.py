"""Register a study's best model: `python -m scripts.register --study latest --name photos`."""

from mlp import console
from mlp.settings.commands import RegisterConfig
from mlp.settings.study import ReportConfig
from scripts.command import command


@command(RegisterConfig, ReportConfig)
def register(config: RegisterConfig, by: ReportConfig) -> None:
    """Make the best model of a study a version of a registered model, which can be served.

    The arm is chosen by its mean validation score over all seeds. The version becomes the
    challenger. It becomes the champion if it beats the present one on images that neither of them
    trained on. Then the test split is read, once.
    """
    from mlp.evidence.findings import weigh
    from mlp.serving import announcement, registry
    from mlp.serving.choice import choose
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.store import open_store
    from mlp.tracking.mlflow.studies import MlflowStudies

    store = open_store(config.experiment_name, adopted=take_adopted_run())
    if config.undo and config.name:
        console.out(registry.undo(store, registry.model_name(config.name, "")))
        return
    studies = MlflowStudies(store)
    study = studies.read(studies.find(config.study))
    name = registry.model_name(config.name, study.data_name)
    if config.undo:
        console.out(registry.undo(store, name))
        return
    choice = choose(weigh(study, by.metric), config.pick)
    with store.command_run(f"register {name}", "registration") as run_id:
        made = registry.register(store, run_id, study, choice, by.metric, name, config.force)
        announcement.record(store, run_id, made, by.lang)
    console.out(announcement.terminal(made, by.lang, store))


if __name__ == "__main__":
    register()
