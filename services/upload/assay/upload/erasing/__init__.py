"""Erasing files: by their owner, by an operator for an owner, by age. All of them take one path, `service.Erasing`."""
