"""``explain_dataset``: explain a collection of sounds from Python."""

from collections.abc import Sequence
from typing import Any

from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.bulk.options import BatchOptions, EngineOptions, SoundOptions, parse_shard
from speechbrain_lmac.bulk.running import DatasetResult, Job
from speechbrain_lmac.data.prompts import as_prompts


def explain_dataset(
    sources: str | Sequence[str],
    prompts: str | Sequence[str],
    output: str,
    *,
    interpreter: Any = "mini-stft",
    revision: str | None = None,
    device: str = "cpu",
    explain_above: float | None = 0.05,
    threshold: float = 0.1,
    stretch_seconds: float = 300.0,
    scores: bool = False,
    embeddings: bool = False,
    embeddings_from: str | None = None,
    sounds_above: float | None = None,
    sounds_per_prompt: int = 100,
    engine: str = "serial",
    workers: int | None = None,
    address: str | None = None,
    gpus_per_worker: float = 0.0,
    shard: str | None = None,
    retry_failed: bool = False,
    unit_files: int | None = None,
    batch_clips: int | None = None,
    readers: int | None = None,
    precision: str = "fp32",
    progress: bool = True,
) -> DatasetResult:
    """Explain a collection of sounds, however large, and resume where an earlier run stopped.

    The output folder gets one Parquet part per unit of files. The same call again explains only
    what is missing, also after the sources have grown. Clips give one row, recordings one row per
    stretch. Presence and similarity are those of ``Interpreter.interpret_file``.

    Arguments
    ---------
    sources : str or list of str
        Sound files, folders, glob patterns, and CSV or Parquet lists; local or as URLs. A list has
        a column ``file`` and optionally ``start`` and ``stop`` in seconds.
    prompts : str or list of str
        Prompts, or class names of a supervised classifier.
    output : str
        Output folder, as a path or URL. It must be empty or hold the same job.
    interpreter : str, InterpreterSource or Interpreter
        Source of an interpreter, its description, or a loaded one for the serial engine. Default:
        ``mini-stft``.
    revision : str
        Git revision of a Hub repository. Default: ``main``.
    device : str
        Torch device. Default: ``cpu``.
    explain_above : float
        Presence from which a prompt is explained. None: no prompt is. Default: 0.05.
    threshold : float
        Activity from which a region starts, above 0 and at most 1. Default: 0.1.
    stretch_seconds : float
        Length of a stretch of a recording, in seconds. Default: 300.
    scores : bool
        Measure the presence in the masked-in and masked-out sounds, too. Default: False.
    embeddings : bool
        Store clip vectors, for ``embeddings_from``. Default: False.
    embeddings_from : str
        Output folder of a job with embeddings on the same files. Files in which no prompt is
        present are not read. Default: none.
    sounds_above : float
        Presence from which masked-in sounds are written. Default: none are.
    sounds_per_prompt : int
        Largest number of sounds per prompt. Default: 100.
    engine : str
        ``serial`` or ``ray``. Default: ``serial``.
    workers, address, gpus_per_worker
        Options of Ray, as for :class:`~speechbrain_lmac.bulk.engines.EngineOptions`.
    shard : str
        ``K/N``: this process explains every N-th unit, from unit K. Default: all units.
    retry_failed : bool
        Read failed files again. Default: False.
    unit_files : int
        Largest number of new files in a unit. Default: 20 to 1000.
    batch_clips : int
        Clips of one length that are explained together. Default: 1 on a CPU, 32 on other devices.
    readers : int
        Processes that read files for batches. Default: one per CPU, and at most 16.
    precision : str
        ``bf16`` encodes batches in bfloat16. Default: ``fp32``.
    progress : bool
        Show the progress. Default: True.

    Returns
    -------
    DatasetResult

    Raises
    ------
    InputError
        If an argument is invalid, or the folder holds another job.
    """
    shards, batches = parse_shard(shard), BatchOptions(batch_clips, readers)
    options = EngineOptions(
        engine, workers, address, gpus_per_worker, shards, retry_failed, batches
    )
    job, texts = Job(output, interpreter, revision, device, options), tuple(as_prompts(prompts))
    facts = job.examine(texts)
    settings = JobSettings(
        prompts=texts,
        interpreter=facts.fingerprint,
        explain_above=explain_above,
        threshold=threshold,
        stretch_seconds=stretch_seconds,
        scores=scores,
        embeddings=embeddings,
        precision=precision,
    )
    names = [sources] if isinstance(sources, str) else list(sources)
    job.prepare(settings, facts, embeddings_from)
    job.run(names, unit_files, progress)
    if sounds_above is not None:
        job.write_sounds(SoundOptions(sounds_above, sounds_per_prompt))
    return job.finish()
