"""Errors of erasing, with their codes."""

from assay.shared.problems import Problem


class DerivedFileError(Problem):
    code, status, title = "derived_file", 409, "The file was found inside another one"
