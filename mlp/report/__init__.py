"""What is said of a study, an audit and a search."""
