"""Names of the tags and artifacts by which runs are found again."""

KIND, IDENTITY, ARM, SEED = "mlp.kind", "mlp.identity", "mlp.arm", "mlp.seed"
PLACE = "mlp.place"  # sorts the runs of a study by arm, as its table does, and by seed
STUDY, DATA, PROCESS = "mlp.study", "mlp.data", "mlp.process"
DIVERGED, REASON = "mlp.diverged", "mlp.reason"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
# Artifacts of a study's run: what it is made of, and what is said of it
PLAN, SPLIT = "study.json", "split.csv"
REPORT = ("report.html", "report.md", "comparison.csv", "comparison.json", "scores.csv", "figures",
          "thumbnails.parquet")  # fmt: skip
# Tag of a model that is kept or removed when this study ends
WAITING = "mlp.waiting"
COPIED = "Recorded before as "  # how the description of a copied run begins
