"""The exercise's practical questions, answered in sentences made from what was measured."""

from __future__ import annotations

import math

import numpy as np

from mlp.evidence.comparison import Comparison
from mlp.evidence.dynamics import TARGET_SHARE, Overfitting
from mlp.evidence.findings import ArmEvidence, Evidence, Factorial
from mlp.report.summary import headline
from mlp.report.wording import NONE, Wording

# English, Spanish: the exercise's own words, sections 7 and 8
QUESTIONS = {
    "stability": (
        "What effect did batch norm have on the stability and speed of training?",
        "¿Qué efecto tuvo BatchNorm en la estabilidad y velocidad del entrenamiento?",
    ),
    "combined": (
        "Did validation performance change when batch norm was combined with dropout?",
        "¿Cambió la performance de validación al combinar BatchNorm con Dropout?",
    ),
    "best": (
        "Which combination of regularizers gave the best results?",
        "¿Qué combinación de regularizadores dio mejores resultados en tus pruebas?",
    ),
    "loss": (
        "Did the training loss change with batch norm?",
        "¿Notaste cambios en la loss de entrenamiento al usar BatchNorm?",
    ),
    "convergence": (
        "How did convergence differ between initializations?",
        "¿Qué diferencias notaste en la convergencia del modelo según la inicialización?",
    ),
    "instability": (
        "Did any initialization make training unstable (very high loss or NaN)?",
        "¿Alguna inicialización provocó inestabilidad (pérdida muy alta o NaNs)?",
    ),
    "impact": (
        "How does the initialization affect the validation scores?",
        "¿Qué impacto tiene la inicialización sobre las métricas de validación?",
    ),
    "bias": (
        "Why do biases usually start at zero?",
        "¿Por qué bias se suele inicializar en cero?",
    ),
}
_ANSWERS = {
    "stability": (
        "With batch norm training reached the target ({share:.0%} of the final accuracy without "
        "it) after {ours} epochs, without it after {theirs}: {speed}. The training loss rose from "
        "one epoch to the next by {rough} nats on average, without batch norm by {base_rough}: "
        "{roughness}.",
        "Con BatchNorm el entrenamiento alcanzó la meta ({share:.0%} de la exactitud final sin él) "
        "tras {ours} épocas, sin él tras {theirs}: {speed}. La pérdida de entrenamiento subió de "
        "una época a la siguiente {rough} nats en promedio, sin BatchNorm {base_rough}: "
        "{roughness}.",
    ),
    "best": (
        "The best mean is that of {first} with {score}, then {second} with {next}; the lead is "
        "{lead}.",
        "La mejor media es la de {first} con {score}, luego {second} con {next}; la ventaja es "
        "{lead}.",
    ),
    "loss": (
        "After the first epoch it was {first} nats with batch norm and {base_first} without: "
        "{first_difference}. At the end it was {last} and {base_last}: {last_difference}.",
        "Tras la primera época fue de {first} nats con BatchNorm y {base_first} sin él: "
        "{first_difference}. Al final fue de {last} y {base_last}: {last_difference}.",
    ),
    "convergence": (
        "Epochs until {share:.0%} of the final accuracy of {baseline}: {list}.",
        "Épocas hasta el {share:.0%} de la exactitud final de {baseline}: {list}.",
    ),
    "convergence.arm": (
        "{arm} {epochs} (in {k} of {n} runs)",
        "{arm} {epochs} (en {k} de {n} corridas)",
    ),
    "convergence.never": ("{arm} never", "{arm} nunca"),
    "finite": (
        "No run diverged or became NaN.",
        "Ninguna corrida divergió ni dio NaN.",
    ),
    "high_loss": (
        "{arm} started with a very high loss: {first} nats over the first epoch, where naming "
        "classes at random costs {chance:.2f}.",
        "{arm} empezó con una pérdida muy alta: {first} nats en la primera época, cuando nombrar "
        "clases al azar cuesta {chance:.2f}.",
    ),
    "no_high_loss": (
        "None started with a loss far above that of naming classes at random ({chance:.2f} nats).",
        "Ninguna empezó con una pérdida muy superior a la de nombrar clases al azar "
        "({chance:.2f} nats).",
    ),
    "bias": (
        "Because nothing is gained by other values: random weights already break the symmetry "
        "between units, and zeros add no offset.",
        "Porque otros valores no aportan nada: los pesos aleatorios ya rompen la simetría entre "
        "neuronas, y los ceros no agregan sesgo inicial.",
    ),
    "bias.default": (
        "The arm {arm}, whose biases start at random, differs from {baseline} in the scale of the "
        "weights too: {difference}.",
        "El brazo {arm}, cuyos bias empiezan al azar, difiere de {baseline} también en la escala "
        "de los pesos: {difference}.",
    ),
    "bias.constant": (
        "With constant weights, whose symmetry nothing breaks, {arm} scored {score}.",
        "Con pesos constantes, cuya simetría nada rompe, {arm} obtuvo {score}.",
    ),
}
# Times the loss of naming classes at random. A guess: far above what a sound start gives.
_HIGH_LOSS = 5


def answers(evidence: Evidence, say: Wording) -> list[tuple[str, str]]:
    """Question and answer, for each question that this study can answer."""
    if not evidence.baseline.finished:
        return []
    index = 0 if say.lang == "en" else 1
    found: dict[str, str] = {}
    norm = _only(evidence, "batch_norm")
    if norm is not None and norm.finished:
        found["stability"] = _stability(evidence, norm, say)
        found["loss"] = _loss(evidence, norm, say)
    for factorial in evidence.factorials:
        if norm is not None and norm.name in (factorial.first, factorial.second):
            found["combined"] = interaction(evidence, factorial, say)
    if evidence.study.suite == "regularization" and len(evidence.ranked()) > 1:
        found["best"] = _best(evidence, say)
    if all(set(arm.changes) == {"init"} for arm in evidence.arms):
        found["convergence"] = _convergence(evidence, say)
        found["instability"] = _instability(evidence, say)
        found["impact"] = " ".join(headline(evidence, say))
        found["bias"] = _bias(evidence, say)
    return [(QUESTIONS[key][index], found[key]) for key in QUESTIONS if key in found]


def _text(key: str, say: Wording, **values: object) -> str:
    return _ANSWERS[key][0 if say.lang == "en" else 1].format(**values)


def _only(evidence: Evidence, setting: str) -> ArmEvidence | None:
    """The arm that changes this setting and nothing else."""
    return next((arm for arm in evidence.arms[1:] if set(arm.changes) == {setting}), None)


def _mean(values: np.ndarray, form: str = "{:.2f}") -> str:
    known = values[np.isfinite(values)]
    return form.format(known.mean()) if len(known) else NONE


def paired(comparison: Comparison, say: Wording, form: str = "{:+.2f}") -> str:
    """A paired difference of dynamics in words, with its interval and n."""
    if not comparison.pairs:
        return NONE
    if math.isnan(comparison.low):
        return f"{form.format(comparison.difference)} (n = {comparison.pairs})".replace("-", "−")
    low, high = form.format(comparison.low), form.format(comparison.high)
    shown = comparison.low > 0 or comparison.high < 0
    return say(
        "paired",
        difference=form.format(comparison.difference),
        interval=f"{low} {'to' if say.lang == 'en' else 'a'} {high}",
        n=comparison.pairs,
        shown="" if shown else say("not_shown"),
    ).replace("-", "−")


def _stability(evidence: Evidence, norm: ArmEvidence, say: Wording) -> str:
    base = evidence.baseline
    return _text(
        "stability",
        say,
        share=TARGET_SHARE,
        ours=_mean(norm.of_dynamics("epochs_to_target"), "{:.1f}"),
        theirs=_mean(base.of_dynamics("epochs_to_target"), "{:.1f}"),
        speed=paired(norm.differences["epochs_to_target"], say, "{:+.1f}"),
        rough=_mean(norm.of_dynamics("roughness"), "{:.3f}"),
        base_rough=_mean(base.of_dynamics("roughness"), "{:.3f}"),
        roughness=paired(norm.differences["roughness"], say, "{:+.3f}"),
    )


def _loss(evidence: Evidence, norm: ArmEvidence, say: Wording) -> str:
    base = evidence.baseline
    return _text(
        "loss",
        say,
        first=_mean(norm.of_dynamics("first_loss")),
        base_first=_mean(base.of_dynamics("first_loss")),
        first_difference=paired(norm.differences["first_loss"], say),
        last=_mean(norm.of_dynamics("last_loss")),
        base_last=_mean(base.of_dynamics("last_loss")),
        last_difference=paired(norm.differences["last_loss"], say),
    )


def interaction(evidence: Evidence, factorial: Factorial, say: Wording) -> str:
    """Whether two changes add up."""
    effect = factorial.effects[2]
    score = {
        name: say.score(arm.mean) if (arm := evidence.arm(name)) else NONE
        for name in (factorial.first, factorial.second, factorial.both)
    }
    key = effect.verdict if effect.verdict in ("better", "worse") else "none"
    return say(
        "interaction",
        first=factorial.first,
        second=factorial.second,
        both=score[factorial.both],
        one=score[factorial.first],
        two=score[factorial.second],
        neither=say.score(evidence.baseline.mean),
        difference=say.difference(effect.difference),
        interval=say.interval(effect),
        n=effect.pairs,
        said=say(f"interaction.{key}"),
    )


def _best(evidence: Evidence, say: Wording) -> str:
    first, second, *_ = evidence.ranked()
    lead = evidence.lead
    assert lead is not None
    text = _text(
        "best",
        say,
        first=first.name,
        score=say.score(first.mean),
        second=second.name,
        next=say.score(second.mean),
        lead=f"{say.difference(lead.difference)} ({say('interval')} {say.interval(lead)})",
    )
    return " ".join([text, *headline(evidence, say)[:1]])


def _convergence(evidence: Evidence, say: Wording) -> str:
    parts = []
    for arm in evidence.arms:
        epochs = arm.of_dynamics("epochs_to_target")
        reached = int(np.isfinite(epochs).sum())
        if reached:
            mean = _mean(epochs, "{:.1f}")
            parts.append(
                _text("convergence.arm", say, arm=arm.name, epochs=mean, k=reached, n=len(arm.runs))
            )
        else:
            parts.append(_text("convergence.never", say, arm=arm.name))
    return _text(
        "convergence",
        say,
        share=TARGET_SHARE,
        baseline=evidence.baseline.name,
        list="; ".join(parts),
    )


def _instability(evidence: Evidence, say: Wording) -> str:
    lines = []
    for arm in evidence.arms:
        failed = sum(run.diverged for run in arm.runs)
        if failed:
            lines.append(say("diverged", arm=arm.name, k=failed, n=len(arm.runs)))
    steady = not lines
    lines = lines or [_text("finite", say)]
    chance = math.log(max(2, len(_classes(evidence))))
    high = []
    for arm in evidence.arms:
        first = arm.of_dynamics("first_loss")
        first = first[np.isfinite(first)]
        if len(first) and first.mean() > _HIGH_LOSS * chance:
            said = f"{first.mean():,.0f}".replace(",", "\u202f")
            high.append(_text("high_loss", say, arm=arm.name, first=said, chance=chance))
    if steady and not high:
        high = [_text("no_high_loss", say, chance=chance)]
    return " ".join(lines + high)


def _classes(evidence: Evidence) -> tuple[str, ...]:
    return next((r.evaluation.classes for r in evidence.study.runs if r.evaluation), ())


def _bias(evidence: Evidence, say: Wording) -> str:
    lines = [_text("bias", say)]
    default, constant = evidence.arm("default"), evidence.arm("constant")
    if default is not None and default.comparison is not None:
        c = default.comparison
        said = f"{say.difference(c.difference)} ({say('interval')} {say.interval(c)})"
        base = evidence.baseline.name
        lines.append(_text("bias.default", say, arm=default.name, baseline=base, difference=said))
    if constant is not None and constant.finished:
        score = say.score(constant.mean)
        lines.append(_text("bias.constant", say, arm=constant.name, score=score))
    return " ".join(lines)


def course(evidence: Evidence, say: Wording) -> list[str]:
    """How training went, in sentences: what overfits, what never learned, what diverged."""
    lines = []
    calm = []
    for arm in evidence.arms:
        count = len(arm.finished)
        diverged = sum(run.diverged for run in arm.runs)
        if diverged:
            lines.append(say("diverged", arm=arm.name, k=diverged, n=len(arm.runs)))
        if not count:
            continue
        if arm.learned < count:
            lines.append(say("never_learned", arm=arm.name, k=count - arm.learned, n=count))
        parted = [d.overfitting for d in arm.dynamics if d is not None and d.overfitting]
        if parted:
            lines.append(_overfits(arm.name, parted, count, say))
        else:
            calm.append(arm.name)
    if calm:
        lines.append(say("overfits.none", arms=say.list_of(calm)))
    return lines


def _overfits(arm: str, parted: list[Overfitting], count: int, say: Wording) -> str:
    def mean(name: str) -> float:
        return float(np.mean([getattr(each, name) for each in parted]))

    return say(
        "overfits",
        arm=arm,
        k=len(parted),
        n=count,
        epoch=f"{np.median([each.epoch for each in parted]):.0f}",
        val_from=mean("val_from"),
        val_to=mean("val_to"),
        train_from=mean("train_from"),
        train_to=mean("train_to"),
    )
