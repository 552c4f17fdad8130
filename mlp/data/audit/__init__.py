"""What a person should know of a data set before believing numbers made from it."""
