"""Copy-move: parts of a picture that appear again elsewhere in it."""
