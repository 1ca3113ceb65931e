"""The one error that means: what the user gave cannot work, and this is what would."""


class UserError(Exception):
    """A mistake in what was given to the program: a recipe, a file, a folder, a name.

    The command line prints the message without a traceback and ends with exit code 2. The message says where,
    what was found and what would do. Anything that is our own fault is any other exception.
    """
