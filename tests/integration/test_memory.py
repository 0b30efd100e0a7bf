"""Memory of long recordings."""

import subprocess
import sys

import soundfile

from speechbrain_lmac.data.synthetic import synthesize


def test_memory_does_not_grow_with_the_length(tmp_path):
    """The peak of 120 s exceeds that of 20 s by less than 60 MiB."""
    code = (
        "import resource, sys\nfrom speechbrain_lmac import Interpreter\n"
        "it = Interpreter.from_hparams(source='mini-mel', run_opts={'device': 'cpu'})\n"
        "it.interpret_recording(sys.argv[1], ['siren'], sys.argv[2])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for seconds in (20, 120):
        path = tmp_path / f"{seconds}.wav"
        soundfile.write(path, synthesize("rain", 1, 20.0).repeat(seconds // 20).numpy(), 32000)
        command = [sys.executable, "-c", code, str(path), str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 60  # MiB; the longer file alone would take 15 as floats
