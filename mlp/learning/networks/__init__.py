"""The networks, a file each. `mlp.settings.architecture` lists those that can be chosen."""
