"""``speechbrain-lmac explain-many``: explain collections of any size, resumable and in parts."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, BadParameter, Context, Option

from speechbrain_lmac.cli.batch import SOME_FAILED
from speechbrain_lmac.cli.inputs import read_prompts, silence_libraries
from speechbrain_lmac.cli.options import (
    Classifier,
    Device,
    Explainer,
    Masking,
    Prompts,
    PromptsFile,
    Revision,
    Source,
    Threshold,
)
from speechbrain_lmac.utils.counts import counted
from speechbrain_lmac.utils.errors import InputError

if TYPE_CHECKING:
    from speechbrain_lmac.bulk.running import DatasetResult

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac explain-many archive/ --prompts-file species.txt --output out
  speechbrain-lmac explain-many s3://bucket/clips --prompt rain --output s3://bucket/out
  speechbrain-lmac explain-many clips.csv --prompt rain --output out --shard 0/8
  speechbrain-lmac explain-many --config job.yaml --engine ray --address auto
  speechbrain-lmac explain-many status out
  speechbrain-lmac hits out --prompt rain --above 0.5 --csv
"""
STATUS = "status"


def read_config(context: Context, path: str | None) -> str | None:
    """Make the options of a YAML file the defaults of a command."""
    import yaml

    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            options = yaml.safe_load(file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadParameter(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(options, dict):
        raise BadParameter(f"{path} must map options to values")
    names = {str(name).replace("-", "_"): value for name, value in options.items()}
    params: list[Any] = [p for p in context.command.params if p.name != "config"]
    aliases = {o.lstrip("-").replace("-", "_"): p for p in params for o in [*p.opts, p.name]}
    if unknown := sorted(set(names) - set(aliases)):
        raise BadParameter(f"{path} must name options of this command, got {unknown[0]}")
    defaults = {aliases[name].name: value for name, value in names.items()}
    for param in params:  # one value of a list may be written without a list
        value = defaults.get(param.name)
        if value is not None and (param.nargs == -1 or getattr(param, "multiple", False)):
            defaults[param.name] = value if isinstance(value, list) else [value]
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def run(
    sources: Annotated[
        list[str] | None,
        Argument(
            metavar="SOURCE...",
            help="Sound files, folders, glob patterns, CSV or Parquet lists with a column 'file', "
            "or URLs such as s3://. Or: status OUT.",
        ),
    ] = None,
    config: Annotated[
        str | None,
        Option(
            metavar="FILE",
            callback=read_config,
            is_eager=True,
            help="YAML file with values of the options. The command line takes precedence.",
        ),
    ] = None,
    prompt: Prompts = None,
    prompts_file: PromptsFile = None,
    output: Annotated[
        str | None, Option(metavar="OUT", help="Output folder or URL; required.")
    ] = None,
    source: Source = "mini-stft",
    revision: Revision = None,
    classifier: Classifier = None,
    explainer: Explainer = None,
    masking: Masking = None,
    device: Device = "cpu",
    explain_above: Annotated[
        float,
        Option(metavar="X", min=0, max=1, help="Presence from which a prompt is explained."),
    ] = 0.05,
    classify_only: Annotated[
        bool, Option("--classify-only", help="Explain no prompt; store the scores alone.")
    ] = False,
    threshold: Threshold = 0.1,
    stretch: Annotated[
        float, Option(metavar="S", help="Length of a row of a recording, in seconds.")
    ] = 300.0,
    scores: Annotated[
        bool, Option("--scores", help="Measure the presence masked-in and masked-out, too.")
    ] = False,
    embeddings: Annotated[
        bool, Option("--embeddings", help="Store clip vectors, for --from.")
    ] = False,
    embeddings_from: Annotated[
        str | None,
        Option("--from", metavar="OUT", help="Job with embeddings: read only sounds that match."),
    ] = None,
    sounds_above: Annotated[
        float | None,
        Option(metavar="X", min=0, max=1, help="Presence from which sounds are written as FLAC."),
    ] = None,
    sounds_per_prompt: Annotated[
        int, Option(metavar="N", min=1, help="Largest number of sounds per prompt.")
    ] = 100,
    engine: Annotated[str, Option(metavar="NAME", help="serial or ray.")] = "serial",
    workers: Annotated[
        int | None, Option(metavar="N", min=1, help="Workers of Ray. Default: one per CPU.")
    ] = None,
    address: Annotated[
        str | None, Option(metavar="ADDRESS", help="Ray cluster, such as auto. Default: none.")
    ] = None,
    gpus_per_worker: Annotated[
        float, Option(metavar="X", min=0, help="GPUs that each worker of Ray reserves.")
    ] = 0.0,
    shard: Annotated[
        str | None, Option(metavar="K/N", help="Explain part K of N (from 0), for job arrays.")
    ] = None,
    retry_failed: Annotated[
        bool, Option("--retry-failed", help="Read the files in errors.csv again.")
    ] = False,
    unit_files: Annotated[
        int | None, Option(metavar="N", min=1, help="Files in a part. Default: 20 to 1000.")
    ] = None,
    batch_clips: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            help="Clips of one length that are explained together. Default: 1 on a CPU, 32 on "
            "other devices.",
        ),
    ] = None,
    readers: Annotated[
        int | None,
        Option(
            metavar="N",
            min=0,
            help="Processes that read files for batches. Default: one per CPU, and at most 16.",
        ),
    ] = None,
    precision: Annotated[
        str, Option(metavar="NAME", help="fp32, or bf16 for the encoder in batches.")
    ] = "fp32",
) -> int:
    """Explain large collections of sounds, exactly once, on one core or on many machines.

    OUT gets one Parquet part per unit of files: scores of all prompts, and regions of the prompts
    that are present. The same command resumes after a kill, and explains only new files when the
    source has grown. Other prompts or settings in the same folder are refused. Files that cannot
    be read are rows with a reason and listed in errors.csv; the exit status is then 1.

    The command needs the packages of the extra [many], and of [ray] with --engine ray.
    """
    if sources and sources[0] == STATUS:
        return print_status(*sources[1:])
    silence_libraries()
    from speechbrain_lmac.bulk.api import explain_dataset
    from speechbrain_lmac.inference.sources import InterpreterSource

    result = explain_dataset(
        sources or [],
        *checked_inputs(prompt, prompts_file, output),
        interpreter=InterpreterSource(source, revision, device, classifier, explainer, masking),
        explain_above=None if classify_only else explain_above,
        threshold=threshold,
        stretch_seconds=stretch,
        scores=scores,
        embeddings=embeddings,
        embeddings_from=embeddings_from,
        sounds_above=sounds_above,
        sounds_per_prompt=sounds_per_prompt,
        engine=engine,
        workers=workers,
        address=address,
        gpus_per_worker=gpus_per_worker,
        shard=shard,
        retry_failed=retry_failed,
        unit_files=unit_files,
        batch_clips=batch_clips,
        readers=readers,
        precision=precision,
    )
    return report(result)


def checked_inputs(
    prompts: list[str] | None, prompts_file: str | None, output: str | None
) -> tuple[list[str], str]:
    """Return the prompts and the output of a command line; InputError without either."""
    if output is None:
        raise InputError("--output must be given. Name an empty folder, or that of the job")
    found = read_prompts(prompts, prompts_file, None)
    if found is None:
        raise InputError("--prompt or --prompts-file must be given. Give one of them")
    return found, output


def report(result: "DatasetResult") -> int:
    """Print the state of a job after a run and return the exit status."""
    units, files = counted(result.units, "unit"), counted(result.files, "file")
    verb = "is" if result.units == 1 else "are"
    print(f"{result.done} of {units} of {files} {verb} done: {result.parts}")
    if result.failed:
        failed = counted(result.failed, "file")
        print(f"{failed} failed: {result.output}/errors.csv", file=sys.stderr)
    return SOME_FAILED if result.failed else 0


def print_status(*outputs: str) -> int:
    """Print the state of a job and return the exit status; InputError unless one is given."""
    from speechbrain_lmac.bulk.status import job_status

    if len(outputs) != 1:
        raise InputError(
            f"status must be followed by one output folder, got {len(outputs)}. Name one, or write "
            f"./{STATUS} for a folder of sounds with that name"
        )
    status = job_status(*outputs)
    print(f"prompts       {status.prompts}")
    print(f"files done    {status.files_done} of {status.files}")
    print(f"units done    {status.units_done} of {status.units}")
    print(f"units with failed files    {status.units_failed}")
    return 0
