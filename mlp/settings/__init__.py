"""All that can be set: names, defaults, limits and help texts."""
