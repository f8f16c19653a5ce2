"""The inference service: runs the analyzers on the files that their plans name."""
