"""A trained network as a program that takes images and answers with classes."""
