"""What ends a command: one clear line on standard error and an exit status."""


class CommandError(Exception):
    """The command cannot do what was asked. The text is one line: what is wrong and what to do."""

    status = 1


class UsageError(CommandError):
    """The command was asked wrongly."""

    status = 2
