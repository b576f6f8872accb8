"""The error that a user can mend."""


class UserError(ValueError):
    """Something the user gave cannot be used: a file, a row, a letter, an option.

    The message is one line for the person who meets it: what is wrong, where, and what to do. The command line prints
    it without a traceback and exits with status 2.
    """
