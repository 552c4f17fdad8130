"""Remarks on the data in Spanish, by kind; `mlp.data` has the English."""

from __future__ import annotations

SPANISH = {
    "layout_flat": "{name}: {count} imágenes en {place}/, una carpeta por clase y sin "
    "divisiones, {classes} clases ({names})",
    "layout_flat_passed": "{name}: {count} imágenes en {place}/, una carpeta por clase y sin "
    "divisiones, {classes} clases ({names}); sin usar, con tantas imágenes: {passed}",
    "layout_splits": "{name}: divisiones {splits}, con {classes} clases ({names})",
    "layout_splits_passed": "{name}: divisiones {splits}, con {classes} clases ({names}); sin "
    "usar, con tantas imágenes: {passed}",
    "layout_listed": "{name}: lista de {count} imágenes sin divisiones, {classes} clases ({names})",
    "layout_listed_passed": "{name}: lista de {count} imágenes sin divisiones, {classes} clases"
    " ({names}); sin usar, con tantas imágenes: {passed}",
    "look_alikes": "{name}: clases que solo difieren en mayúsculas, anchura o espacios: {classes}",
    "damaged": "{name}: {count} de {all} imágenes excluidas: {shown}{more}",
    "depth": "{name}: {count} imágenes de 16 bits no dicen cuántos cuentan; el valor mayor "
    "ocupa {bits}, así que {white} es blanco; {dark} quedan por debajo de un dieciseisavo",
    "single": "{name}: {count} imágenes de un solo color: {shown}{more}",
    "copies_left_out": "{name}: {count} imágenes de validación o prueba excluidas: son copias "
    "exactas de imágenes anteriores",
    "not_named": "{name}: {count} imágenes excluidas: la división no las nombra",
    "dealt": "{name}: cada semilla reparte sus imágenes en {folds} particiones por clase, con "
    "las copias de una imagen en la misma, sin atender a cuáles eran de validación",
    "drawn": "{name}: sin imágenes de validación propias, así que cada semilla sortea "
    "{share:.0%} de las de entrenamiento de cada clase",
    "val_leaks": "{name}: {count} de {all} imágenes de validación son copias exactas de "
    "imágenes de entrenamiento: las exactitudes de esta división están infladas",
    "test_leaks": "{name}: {count} de {all} imágenes de prueba son copias exactas de imágenes "
    "de entrenamiento o validación: sus resultados saldrán inflados",
    "absent": "{name}: sin imágenes de validación de {classes}",
    "note.system": "{name}: {count} imágenes en carpetas ocultas o del sistema, omitidas; la "
    "primera: {first}",
    "note.link_lost": "{name}: {count} enlaces que no llevan a nada, o en círculo; el primero: "
    "{first}",
    "note.link_out": "{name}: {count} enlaces que salen de la carpeta, rechazados "
    "(links=inside); el primero: {first}",
    "note.link_again": "{name}: {count} enlaces a carpetas ya leídas, omitidos; el primero: "
    "{first}",
    "note.unreadable": "{name}: {count} carpetas que no se pueden leer; la primera: {first}",
    "note.not_utf8": "{name}: {count} archivos cuyo nombre no es UTF-8, omitidos; cámbieles el "
    "nombre; el primero: {first}",
    "note.empty": "{name}: {count} carpetas vacías; la primera: {first}",
    "note.stray": "{name}: {count} archivos que no son imágenes, omitidos",
    "note.hidden": "{name}: {count} archivos ocultos con nombre de imagen, omitidos; el "
    "primero: {first}",
}
