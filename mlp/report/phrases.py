"""Every sentence of a report, in English and in Spanish."""

from __future__ import annotations

from mlp.report.remark_phrases import SPANISH as REMARKS
from mlp.report.suite_phrases import SPANISH

LANGUAGES = ("en", "es")

# key: a text for each of LANGUAGES. Placeholders are str.format's.
PHRASES: dict[str, tuple[str, str]] = {
    "metric.accuracy": ("accuracy", "exactitud (accuracy)"),
    "metric.macro_f1": ("macro F1", "F1 macro"),
    "metric.balanced_accuracy": ("balanced accuracy", "exactitud balanceada"),
    "metric.log_loss": ("log loss", "log loss"),
    "metric.roc_auc": ("ROC AUC", "área ROC (AUC)"),
    "points": ("points", "puntos"),
    "nats": ("nats", "nats"),
    "seeds": ("seeds", "semillas"),
    "pairs": ("folds", "particiones"),
    "one.seeds": ("seed", "semilla"),
    "one.pairs": ("fold", "partición"),
    "better": ("better", "mejor"),
    "worse": ("worse", "peor"),
    "no difference shown": ("no difference shown", "sin diferencia demostrada"),
    "too few seeds to tell": ("too few seeds to tell", "faltan semillas para decidir"),
    "baseline": ("baseline", "referencia"),
    "and": (" and ", " y "),
    # Headings and table
    "arm": ("arm", "brazo"),
    "val": ("val {metric}", "{metric} de validación"),
    "difference": ("difference from {baseline}", "diferencia con {baseline}"),
    "interval": ("95% interval", "intervalo del 95%"),
    "p": ("p (Holm)", "p (Holm)"),
    "verdict": ("verdict", "veredicto"),
    "epochs": ("epochs", "épocas"),
    "gap": ("gap (train − val)", "brecha (entren. − valid.)"),
    "unseen": ("on unseen images", "en imágenes no vistas"),
    "runs": ("runs by seed", "corridas por semilla"),
    "all_runs": (
        "All runs side by side: [as a table]({table}), [as charts]({charts}).",
        "Todas las corridas juntas: [como tabla]({table}), [como gráficos]({charts}).",
    ),
    "what": ("What they are", "Qué son"),
    "heading.table": ("Every arm", "Todos los brazos"),
    "heading.forest": ("Differences from {baseline}", "Diferencias con {baseline}"),
    "heading.curves": ("Learning curves", "Curvas de aprendizaje"),
    "heading.dynamics": ("How training went", "Cómo fue el entrenamiento"),
    "heading.gap": ("Generalization gap", "Brecha de generalización"),
    "heading.interaction": ("Do two changes add up?", "¿Se suman dos cambios?"),
    "heading.confusion": ("Which classes are confused", "Qué clases se confunden"),
    "heading.signals": (
        "Signals before the first step",
        "Señales antes del primer paso",
    ),
    "heading.weights": ("Weights by initialization", "Pesos según la inicialización"),
    "heading.questions": ("Questions of the exercise", "Preguntas del ejercicio"),
    "heading.failed": ("Runs without a score", "Corridas sin resultado"),
    "heading.method": ("How this was computed", "Cómo se calculó"),
    "heading.runs": ("The runs", "Las corridas"),
    "heading.data": ("Know before you believe", "Antes de creer en los números"),
    # The first screen
    "sub": (
        "{data}: {arms}, {n} {unit}, {images} validation images{each}",
        "{data}: {arms}, {n} {unit}, {images} imágenes de validación{each}",
    ),
    "arms": ("{n} arms", "{n} brazos"),
    "one.arms": ("one arm", "un brazo"),
    "each": (" each", " en cada una"),
    "helps": (
        "{arm} helps: {difference} of {metric} (95% interval {interval}, n = {n}).",
        "{arm} ayuda: {difference} de {metric} (intervalo del 95%: {interval}, n = {n}).",
    ),
    "hurts": (
        "{arm} hurts: {difference} of {metric} (95% interval {interval}, n = {n}).",
        "{arm} perjudica: {difference} de {metric} (intervalo del 95%: {interval}, n = {n}).",
    ),
    "none_better": (
        "No arm was shown to be better than {baseline}.",
        "No se demostró que algún brazo sea mejor que {baseline}.",
    ),
    "no_difference": ("No difference shown: {arms}.", "Sin diferencia demostrada: {arms}."),
    "too_few": (
        "Too few {unit} to tell: {arms}.",
        "Faltan {unit} para decidir: {arms}.",
    ),
    "none_finished": ("No run finished: {arms}.", "Ninguna corrida terminó: {arms}."),
    "images_needed": (
        "For {arms}, more seeds would not settle it: the {images} validation images are too few "
        "for a difference of the size seen.",
        "Para {arms}, más semillas no lo resolverían: las {images} imágenes de validación son "
        "pocas para una diferencia como la observada.",
    ),
    "needed": (
        "{arm} ({difference}; about {needed} would be needed)",
        "{arm} ({difference}; harían falta unas {needed})",
    ),
    "do.use": (
        "Use {arm}: {score}, and shown to be better than {baseline}.",
        "Use {arm}: {score}, y demostradamente mejor que {baseline}.",
    ),
    "do.luckier": (
        "The mean of {arm} is higher ({best}), but that it is better was not shown.",
        "La media de {arm} es mayor ({best}), pero no se demostró que sea mejor.",
    ),
    "do.keep": (
        "Stay with {baseline} ({score}) until there is evidence against it; {arm} has the best "
        "mean ({best}), which may be luck.",
        "Quédese con {baseline} ({score}) mientras no haya evidencia en contra; {arm} tiene la "
        "mejor media ({best}), que puede ser azar.",
    ),
    "do.baseline": (
        "Stay with {baseline}: no arm has a better mean than its {score}.",
        "Quédese con {baseline}: ningún brazo supera su media de {score}.",
    ),
    "do.second": (
        "Its lead over {second} is {difference} (95% interval {interval}){luck}.",
        "Su ventaja sobre {second} es de {difference} (intervalo del 95%: {interval}){luck}.",
    ),
    "luck": (": within chance", ": compatible con el azar"),
    "do.more_seeds": (
        "For a surer answer, repeat the command with -P seeds={seeds}: what is recorded is not "
        "trained again.",
        "Para una respuesta más segura, repita el comando con -P seeds={seeds}: lo ya registrado "
        "no se entrena de nuevo.",
    ),
    "sure": (
        "How sure: better or worse is said of an equal arm in at most 5% of such studies, all "
        "{count} comparisons taken together (Holm). No difference shown does not mean equal: the "
        "interval says how large a difference is still possible.",
        "Qué tan seguro: de un brazo igual se diría mejor o peor a lo sumo en el 5% de estos "
        "estudios, contando juntas las {count} comparaciones (Holm). Sin diferencia demostrada no "
        "significa iguales: el intervalo dice qué diferencia sigue siendo posible.",
    ),
    "sure.few": (
        "How sure: {n} {unit} cannot tell a difference from luck. At least 3 are needed for a "
        "verdict, 6 for an exact test.",
        "Qué tan seguro: {n} {unit} no alcanzan para distinguir una diferencia del azar. Hacen "
        "falta al menos 3 para un veredicto y 6 para una prueba exacta.",
    ),
    "single": (
        "{arm}: {metric} {score} on the validation images. There is nothing to compare it with.",
        "{arm}: {metric} {score} en las imágenes de validación. No hay con qué compararlo.",
    ),
    "nothing": (
        "No run has finished: there is nothing to report yet.",
        "Ninguna corrida terminó: todavía no hay nada que informar.",
    ),
    "no_baseline": (
        "No run of {baseline} has finished: there is nothing to compare with.",
        "Ninguna corrida de {baseline} terminó: no hay con qué comparar.",
    ),
    "incomplete": (
        "{count} of {all} planned runs have no score; they are listed below.",
        "{count} de {all} corridas planeadas no tienen resultado; se listan abajo.",
    ),
    # Dynamics
    "dynamics.head": (
        "Epochs until the validation accuracy first reached {share:.0%} of {baseline}'s final one "
        "under the same seed; mean rise of the training loss from one epoch to the next (nats, 0 "
        "for a curve that only falls); training loss at the end. In small, the paired difference "
        "from {baseline} with its 95% interval, by seeds alone; a star where that leaves out 0, "
        "not corrected for their number.",
        "Épocas hasta que la exactitud de validación alcanzó por primera vez el {share:.0%} de la "
        "final de {baseline} con la misma semilla; subida media de la pérdida de entrenamiento de "
        "una época a la siguiente (nats, 0 si solo baja); pérdida de entrenamiento al final. En "
        "pequeño, la diferencia apareada con {baseline} y su intervalo del 95%, solo por semillas; "
        "un asterisco cuando este excluye el 0, sin corregir por su cantidad.",
    ),
    "dynamics.speed": ("epochs to target", "épocas hasta la meta"),
    "dynamics.seconds": ("seconds to target", "segundos hasta la meta"),
    "dynamics.reached": ("reached", "la alcanzan"),
    "dynamics.roughness": ("roughness", "rugosidad"),
    "dynamics.loss": ("final train loss", "pérdida final de entren."),
    "overfits": (
        "{arm} overfits in {k} of {n} runs: from epoch {epoch} (median) on, validation loss rose "
        "from {val_from:.2f} to {val_to:.2f} nats while training loss fell from {train_from:.2f} "
        "to {train_to:.2f}.",
        "{arm} sobreajusta en {k} de {n} corridas: desde la época {epoch} (mediana) la pérdida de "
        "validación subió de {val_from:.2f} a {val_to:.2f} nats mientras la de entrenamiento bajó "
        "de {train_from:.2f} a {train_to:.2f}.",
    ),
    "overfits.none": (
        "{arms}: training and validation loss did not part in any run.",
        "{arms}: las pérdidas de entrenamiento y validación no se separaron en ninguna corrida.",
    ),
    "never_learned": (
        "{arm} did no better than always naming the most frequent class in {k} of {n} runs.",
        "{arm} no rindió más que nombrar siempre la clase más frecuente en {k} de {n} corridas.",
    ),
    "diverged": ("{arm}: {k} of {n} runs diverged.", "{arm}: {k} de {n} corridas divergieron."),
    "signals.text": (
        "Mean square of what each linear layer puts out, and of the gradient it passes back, on "
        "the first batch before any step: measured (dots) and promised by the formula of the "
        "initialization (lines). Level lines keep signals alive; steep ones let them vanish or "
        "explode.",
        "Media cuadrática de la salida de cada capa lineal y del gradiente que devuelve, en el "
        "primer batch antes de cualquier paso: medida (puntos) y prometida por la fórmula de la "
        "inicialización (líneas). Líneas planas conservan la señal; empinadas la apagan o la hacen "
        "explotar.",
    ),
    "signals.table": (
        "measured / promised, by layer",
        "medido / prometido, por capa",
    ),
    "signal": ("signal", "señal"),
    "gradient": ("gradient", "gradiente"),
    "layer": ("linear layer", "capa lineal"),
    "mean_square": ("mean square", "media cuadrática"),
    "weight": ("weight", "peso"),
    "train": ("training", "entrenamiento"),
    "validation": ("validation", "validación"),
    "epoch": ("epoch", "época"),
    "loss": ("loss (nats)", "pérdida (nats)"),
    "true": ("true class", "clase verdadera"),
    "predicted": ("predicted class", "clase predicha"),
    "confusion.difference": ("{arm} minus {baseline}", "{arm} menos {baseline}"),
    "confusion.text": (
        "Percent of each true class, mean over {n} runs. In the difference, blue on the diagonal "
        "and red beside it are good.",
        "Porcentaje de cada clase verdadera, media de {n} corridas. En la diferencia, azul en la "
        "diagonal y rojo fuera de ella es bueno.",
    ),
    "without": ("without", "sin"),
    "with": ("with", "con"),
    "interaction": (
        "{first} with {second}: together {both}, alone {one} and {two}, neither {neither}. "
        "Interaction {difference} (95% interval {interval}, n = {n}): {said}.",
        "{first} con {second}: juntos {both}, solos {one} y {two}, ninguno {neither}. "
        "Interacción {difference} (intervalo del 95%: {interval}, n = {n}): {said}.",
    ),
    "interaction.better": (
        "the pair does better than the sum of both effects",
        "el par rinde más que la suma de ambos efectos",
    ),
    "interaction.worse": (
        "the pair does worse than the sum of both effects",
        "el par rinde menos que la suma de ambos efectos",
    ),
    "interaction.none": (
        "that the pair differs from the sum of both effects was not shown",
        "no se demostró que el par difiera de la suma de ambos efectos",
    ),
    "paired": (
        "{difference} (95% interval {interval}, n = {n}{shown})",
        "{difference} (intervalo del 95%: {interval}, n = {n}{shown})",
    ),
    "not_shown": (", no difference shown", ", sin diferencia demostrada"),
    # Method
    "method": (
        "Arms are compared by paired differences: under one seed all arms saw the same batches and "
        "are scored on the same images. The 95% interval is Student's, from the spread over seeds "
        "and {images}. Holm's correction covers the {count} comparisons; from six pairs on, an "
        "exact sign-flip test has to agree. The hierarchical percentile bootstrap stands beside "
        "them in comparison.csv. n counts the {unit} in which both arms have a score.",
        "Los brazos se comparan por diferencias apareadas: con una misma semilla todos vieron los "
        "mismos batches y se evalúan sobre las mismas imágenes. El intervalo del 95% es de "
        "Student, a partir de la dispersión entre semillas y de {images}. La corrección de Holm "
        "cubre las {count} comparaciones; desde seis pares, una prueba exacta de cambio de signos "
        "tiene que coincidir. El bootstrap jerárquico por percentiles está al lado en "
        "comparison.csv. n cuenta las {unit} en que ambos brazos tienen resultado.",
    ),
    "method.shared": (
        "a bootstrap over the validation images that all seeds share",
        "un bootstrap sobre las imágenes de validación que comparten todas las semillas",
    ),
    "method.drawn": (
        "Nadeau and Bengio's correction, since each seed or fold draws its own validation images "
        "and trainings overlap",
        "la corrección de Nadeau y Bengio, porque cada semilla o partición sortea sus imágenes de "
        "validación y los entrenamientos se solapan",
    ),
    "legend": (
        "n: finished runs. Scores: mean ± standard deviation over runs, on the validation images. "
        "gap: accuracy on the training images (not augmented, no dropout) minus that on the "
        "validation images, in points. Intervals are each arm's own; verdicts allow for all arms "
        "together. Early stopping picks its epoch on the validation images, "
        "which flatters its score.",
        "n: corridas terminadas. Resultados: media ± desvío estándar entre corridas, sobre las "
        "imágenes de validación. brecha: exactitud en las imágenes de entrenamiento (sin aumento "
        "ni dropout) menos la de validación, en puntos. Cada intervalo es del brazo solo; el "
        "veredicto considera todos juntos. Early stopping elige su época con las "
        "imágenes de validación, lo que favorece su resultado.",
    ),
    "between.title": ("Two studies", "Dos estudios"),
    "between.difference": ("2 minus 1", "2 menos 1"),
    "between.changed": ("Settings that differ: {settings}.", "Ajustes que difieren: {settings}."),
    "between.paired": (
        "Paired by seed: both were scored on the same images.",
        "Apareados por semilla: ambos se evaluaron sobre las mismas imágenes.",
    ),
    "between.unpaired": (
        "Not paired: they have no seeds in common, or other validation images (Welch's t-test over "
        "runs; differences between the images count as differences between the studies).",
        "Sin aparear: no comparten semillas, o las imágenes de validación son otras (t de Welch "
        "entre corridas; las diferencias entre imágenes cuentan como diferencias entre estudios).",
    ),
    "status.FAILED": ("failed", "falló"),
    "status.KILLED": ("ended before it finished", "terminó antes de completarse"),
    "status.RUNNING": ("still running, or cut off", "en curso, o cortada"),
    "status.MISSING": ("missing", "falta"),
    "status.SCHEDULED": ("not started", "sin empezar"),
    # English stands in mlp.data.audit.remarks and mlp.data.sources.notes
    **{f"remark.{kind}": ("", spanish) for kind, spanish in REMARKS.items()},
    # English stands in the suites themselves
    **{key: ("", spanish) for key, spanish in SPANISH.items()},
}
