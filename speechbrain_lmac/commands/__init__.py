"""The command line, a module a command: ``add_arguments(parser)`` and ``run(options)``.

Nothing heavy is imported before a command runs, so that help comes at once.
"""
