"""Remarks on the data in Spanish, by kind; mlp.data.remarks and mlp.data.notes have the English."""

from __future__ import annotations

SPANISH = {
    "layout": "{name}: {count} clases ({classes}), una carpeta cada una en {place}/: {images} "
    "imágenes; omitido: {passed}",
    "layout_splits": "{name}: {count} clases ({classes}); {images} imágenes: {splits}; omitido:"
    " {passed}",
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
    "note.loose": "{name}: {count} imágenes fuera de las carpetas de clase, omitidas; la "
    "primera: {first}",
    "note.beside": "{name}: {count} imágenes en carpetas junto a las de la división, omitidas; "
    "la primera: {first}",
    "note.unlabelled": "{name}: {count} imágenes sin etiqueta, omitidas; la primera: {first}",
    "note.no_images": "{name}: {count} carpetas sin imágenes; la primera: {first}",
    "note.system": "{name}: {count} imágenes en carpetas ocultas o del sistema, omitidas; la "
    "primera: {first}",
    "note.apple_double": "{name}: {count} archivos que macOS guarda junto a las imágenes (._), "
    "omitidos; el primero: {first}",
    "note.link_lost": "{name}: {count} enlaces que no llevan a nada, o en círculo; el primero: "
    "{first}",
    "note.link_out": "{name}: {count} enlaces que salen de la carpeta, rechazados "
    "(links=inside); el primero: {first}",
    "note.link_again": "{name}: {count} enlaces a carpetas ya leídas, omitidos; el primero: "
    "{first}",
    "note.unreadable": "{name}: {count} carpetas que no se pueden leer; la primera: {first}",
    "note.not_utf8": "{name}: {count} archivos cuyo nombre no es UTF-8, omitidos; cámbieles el "
    "nombre; el primero: {first}",
}
