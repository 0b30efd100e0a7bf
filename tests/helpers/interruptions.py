"""Interruptions by the user, at a call of a function."""


def interrupt_after(monkeypatch, owner, name, calls):
    """Interrupt a function after ``calls`` calls, or never; return the arguments of these calls."""
    function, made = getattr(owner, name), []

    def interrupted(*args, **kwargs):
        if len(made) == calls:
            raise KeyboardInterrupt
        made.append(args)
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, interrupted)
    return made
