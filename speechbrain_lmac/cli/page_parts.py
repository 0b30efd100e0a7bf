"""A sound of any length, explained for a page."""

import tempfile

from speechbrain_lmac.inference.long_audio import needs_windowing
from speechbrain_lmac.inference.timeline import THRESHOLD
from speechbrain_lmac.reports.clip import ClipReport, heard
from speechbrain_lmac.reports.recording import Recording, recording


def explained(
    interpreter, sound, name, prompts, against=None, threshold=THRESHOLD
) -> ClipReport | Recording:
    """What a page shows of a sound: all of a short one, the regions of a long one.

    Arguments
    ---------
    interpreter : Interpreter
        Its model explains the sound.
    sound : AudioSource
        The sound to explain.
    name : str
        Heading of its part of the page.
    prompts : list of str
        Each is explained.
    against : str
        Explain why each prompt rather than this one.
    threshold : float
        Evidence that makes a region, 0 to 1.
    """
    if not needs_windowing(interpreter, sound):
        return heard(name, interpreter.interpret_file(sound, prompts, against))
    with tempfile.TemporaryDirectory(prefix="speechbrain_lmac_") as folder:
        timeline = interpreter.interpret_file(
            sound, prompts, against, save_to=folder, threshold=threshold
        )
        return recording(
            name, sound, timeline, interpreter.model.classifier.audio_classifier, threshold
        )
