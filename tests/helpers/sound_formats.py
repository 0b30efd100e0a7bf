"""Audio files in every supported format, encoded by libsndfile or FFmpeg."""

import io

import av
import numpy as np
import soundfile

from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize

SNDFILE = {
    "wav8": ("WAV", "PCM_U8"),
    "wav16": ("WAV", "PCM_16"),
    "wav24": ("WAV", "PCM_24"),
    "wav32": ("WAV", "PCM_32"),
    "float": ("WAV", "FLOAT"),
    "double": ("WAV", "DOUBLE"),
    "extensible": ("WAVEX", "FLOAT"),
    "alaw": ("WAV", "ALAW"),
    "ulaw": ("WAV", "ULAW"),
    "w64": ("W64", "PCM_24"),
    "rf64": ("RF64", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_24"),
    "aiff": ("AIFF", "PCM_16"),
    "flac": ("FLAC", "PCM_24"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3-cbr": ("MP3", "MPEG_LAYER_III"),
    "mp3-vbr": ("MP3", "MPEG_LAYER_III"),
}
"""Name -> format and subtype of libsndfile."""
FFMPEG = {
    "opus-ffmpeg": ("ogg", "libopus", {}, {}),
    "mp3-no-header": ("mp3", "libmp3lame", {"write_xing": "0"}, {"q": "4"}),
    "m4a": ("ipod", "aac", {}, {}),
    "aac": ("adts", "aac", {}, {}),
    "mp2": ("mp2", "mp2", {}, {}),
}
"""Name -> container, codec, container options and codec options of FFmpeg."""
RATES = {
    **dict.fromkeys(("opus", "opus-ffmpeg"), (8000, 24000, 48000)),
    **dict.fromkeys(("mp3-cbr", "mp3-vbr", "mp3-no-header"), (8000, 22050, 48000)),
    **dict.fromkeys(("m4a", "aac"), (16000, 44100, 96000)),
    **{"mp2": (22050, 44100, 48000), "ogg": (8000, 44100, 192000)},
}
"""Format -> tested sample rates in Hz, for formats with a limited set of rates."""
FORMATS = (*SNDFILE, *FFMPEG)
"""Names of all formats."""
ALL_RATES = (8000, 44100, 384000)
"""Tested sample rates of the other formats, in Hz."""
MONO_OR_STEREO = ("mp3-cbr", "mp3-vbr", "mp3-no-header", "mp2")
"""Formats with at most two channels."""


def encode_audio(name, samples, rate):
    """Encode ``samples`` ``[time, channels]`` in a format; return the bytes of the file."""
    buffer = io.BytesIO()
    if name in SNDFILE:
        kind, subtype = SNDFILE[name]
        modes = {"mp3-cbr": "CONSTANT", "mp3-vbr": "VARIABLE"}
        options = {"bitrate_mode": modes[name]} if name in modes else {}
        soundfile.write(buffer, samples, rate, subtype, format=kind, **options)
        return buffer.getvalue()
    container, codec, container_options, codec_options = FFMPEG[name]
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
    with av.open(buffer, "w", format=container, options=container_options) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options=codec_options)
        sample_format = stream.codec_context.format.name
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T, np.float32), format="fltp", layout=layout
        )
        frame.sample_rate = rate
        convert = av.AudioResampler(
            format=sample_format,
            layout=layout,
            rate=rate,
            frame_size=stream.codec_context.frame_size or None,
        )
        for part in [*convert.resample(frame), *convert.resample(None), None]:
            out.mux(stream.encode(part))
    return buffer.getvalue()


def siren(rate, channels=1, seconds=1.0):
    """Synthesize a siren, ``[time, channels]``."""
    wav = AudioSource(synthesize("siren", seed=3, seconds=seconds), SAMPLE_RATE).read(rate)
    return 0.5 * wav.unsqueeze(1).expand(-1, channels).numpy()
