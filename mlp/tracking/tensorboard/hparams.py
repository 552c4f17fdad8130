"""A run's row in TensorBoard's HParams table.

Written here because SummaryWriter's own has all settings as columns, of which the page opens with
the first five of the alphabet, and shows true as 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

from mlp.study.tracker import RunSpec


def row(spec: RunSpec) -> Iterator[Summary]:
    """The summaries that make a run a row: its arm, its seed, and the settings that arms change.

    All settings where there is nothing to compare with. TensorBoard itself finds out which
    columns there are, over all studies that it shows, and takes the run's scalars as scores.
    """
    values, texts = spec.config.model_dump(), spec.config.as_text()
    start = plugin_data_pb2.SessionStartInfo()
    start.hparams["arm"].string_value = spec.arm
    for name in ("seed", *spec.varied) if spec.varied else texts:
        value = values[name]
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, int | float):
            start.hparams[name].number_value = value
        else:
            start.hparams[name].string_value = texts[name]
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS)
    for tag, data in (
        (metadata.SESSION_START_INFO_TAG, {"session_start_info": start}),
        (metadata.SESSION_END_INFO_TAG, {"session_end_info": end}),
    ):
        about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**data))
        yield Summary(value=[Summary.Value(tag=tag, metadata=about)])
