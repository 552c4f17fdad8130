"""Facts of a data set that a person should know before believing numbers made from it."""
