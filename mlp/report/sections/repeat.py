"""The origin of a report's numbers: commit, data and seeds, and how to have them again."""

from __future__ import annotations

from mlp.evidence.findings import Evidence
from mlp.report.blocks import Section, Text
from mlp.report.wording import NONE, Wording
from mlp.settings.study import ReportConfig
from mlp.settings.training import RunConfig
from mlp.study.suite import TRAINING, find_suite, suite_names
from mlp.tracking.mlflow.pages import command_line


def section(evidence: Evidence, say: Wording) -> Section:
    """Commit, data and seeds, the command that makes it again, and the one that checks it."""
    study = evidence.study
    digests = sorted({run.data_digest for run in study.runs if run.data_digest})
    seeds = sorted({seed for seed, _ in study.pairs})
    facts = say(
        "repeat.made",
        study=study.run_id,
        commit=study.commit or say("repeat.no_commit"),
        data=study.data_name,
        digest=", ".join(digests) or NONE,
        seeds=", ".join(map(str, seeds)),
    )
    blocks = [Text([facts])]
    if study.suite in (TRAINING.name, *suite_names()):
        again = _command(evidence, say)
        blocks += [Text([say("repeat.again")]), Text([again], "code")]
    else:
        blocks.append(Text([say("repeat.own_suite", suite=study.suite)]))
    check = "python -m scripts.report --verify report.html"
    blocks += [Text([say("repeat.verify")]), Text([check], "code")]
    return Section(say("heading.repeat"), blocks)


def _command(evidence: Evidence, say: Wording) -> str:
    """The command that trains the study again, with every setting that is not the default."""
    study = evidence.study
    usual, own = RunConfig().as_text(), find_suite(study.suite).base
    settings = {
        name: value
        for name, value in study.base.items()
        if name not in ("seed", "fold") and (name in own or usual.get(name) != value)
    }
    seeds = sorted({seed for seed, _ in study.pairs})
    folds = len({fold for _, fold in study.pairs if fold != "none"})
    if len({len(arm.runs) for arm in evidence.arms}) > 1:  # by auto, which gave the rest up
        settings |= {"seed": str(seeds[0]), "max_seeds": str(max(3, len(seeds)))}
    else:
        settings["seeds"] = ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")
    settings |= {"folds": str(folds)} if folds else {}
    reported = {"metric": evidence.metric, "margin": f"{100 * evidence.margin:g}", "lang": say.lang}
    default = {name: str(field.default) for name, field in ReportConfig.model_fields.items()}
    default["margin"] = f"{ReportConfig().margin:g}"
    settings |= {name: value for name, value in reported.items() if value != default[name]}
    words = ["mlflow", "run", ".", "-e", "study", "--env-manager", "local"]
    words += ["-P", f"suite={study.suite}"]
    return command_line(*words, *(w for n, v in settings.items() for w in ("-P", f"{n}={v}")))
