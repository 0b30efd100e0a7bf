"""Layout of the web app: fields for the sound, the prompts or classes, and the explanations."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio

PLACEHOLDER = '<p style="opacity: .7">Explanations will appear here.</p>'
TITLE = "Listenable maps"
SOUND_SOURCES: list[Any] = ["upload", "microphone"]
OTHER = "A results folder, or a Hub repository USER/NAME"
CSS = ".examples td, .examples td * { white-space: pre-line; }"
"""Style of the page: example prompts are on one line each."""
HEAD = """<script>
window.addEventListener("message", (event) => {
  const height = event.data?.reportHeight;
  if (!(height > 0 && height < 1e6)) return;
  for (const frame of document.querySelectorAll('iframe[title="Explanations"]'))
    if (frame.contentWindow === event.source) frame.style.height = `${Math.ceil(height) + 8}px`;
});
</script>"""
"""Script that makes the frame of the explanations as high as its content."""


def build_page(
    explain: Callable[..., Any],
    class_names: Callable[[str], Sequence[str] | None],
    sources: Sequence[str],
    introduction: str,
    examples: list[list[str]],
    max_prompts: int,
    lifetime: int,
    any_source: bool = False,
) -> gradio.Blocks:
    """Build the page of the app.

    Arguments
    ---------
    explain : callable
        Function of a sound, prompts, the contrast, a source and the previous sound. It returns the
        explanations, the content of the sound field, a note, the sound and a file to download.
    class_names : callable
        Function of a source that returns the classes to choose from, or None if any text is a
        prompt.
    sources : sequence of str
        Interpreters to choose from.
    introduction : str
        Text at the top, in Markdown.
    examples : list of list of str
        Path and prompts of each example.
    max_prompts : int
        Largest number of classes that may be chosen.
    lifetime : int
        Age at which unused uploads are deleted, in seconds.
    any_source : bool
        Whether there is a field for any other interpreter. Default: False.

    Returns
    -------
    gradio.Blocks
    """
    with gradio.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, lifetime)) as app:
        gradio.Markdown(introduction)
        previous = gradio.State(None, time_to_live=lifetime)
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                sound = gradio.Audio(label="Sound", type="filepath", sources=SOUND_SOURCES)
                note = gradio.Markdown("")
                fields = _question_fields(class_names(sources[0]), max_prompts)
                source = gradio.Radio(list(sources), value=sources[0], label="Interpreter")
                other = gradio.Textbox(
                    label="Other interpreter (optional)", info=OTHER, visible=any_source
                )
                button = gradio.Button("Explain", variant="primary")
                with gradio.Column(elem_classes="examples"):
                    gradio.Examples(examples, [sound, fields[0]], label="Examples")
            with gradio.Column(scale=2, min_width=400):
                download = gradio.DownloadButton("Download sounds and tables", visible=False)
                explanations = gradio.HTML(PLACEHOLDER)
        outputs = [explanations, sound, note, previous, download]
        run = _run(explain, class_names)
        button.click(run, [sound, *fields, source, other, previous], outputs, api_name="explain")
        chosen, update = [source.change, other.submit, other.blur], _on_source(class_names)
        gradio.on(chosen, update, [source, other], fields, api_visibility="private")
    return app


def _on_source(class_names: Callable[[str], Sequence[str] | None]) -> Callable[..., list[Any]]:
    """Return the function of a chosen interpreter: it updates the fields of the prompts."""

    def update(name: str, box: str | None) -> list[Any]:
        return _updates(class_names((box or "").strip() or name))

    return update


def _run(
    explain: Callable[..., Any], class_names: Callable[[str], Sequence[str] | None]
) -> Callable[..., Any]:
    """Return the function of the button: it picks the fields of the chosen interpreter."""

    def run(
        sound: Any,
        prompts: Any,
        classes: Any,
        text: Any,
        rather: Any,
        name: str,
        other: str,
        before: Any,
    ) -> Any:
        name = (other or "").strip() or name
        has_classes = class_names(name) is not None
        question = (classes, rather) if has_classes else (prompts, text)
        *results, archive = explain(sound, *question, name, before)
        return *results, gradio.DownloadButton(value=archive, visible=True)

    return run


def _question_fields(names: Sequence[str] | None, max_prompts: int) -> list[Any]:
    """Return the fields of prompts, of classes, and of the contrast in text and in classes."""
    is_text, choices = names is None, list(names or ())
    prompts = gradio.Textbox(
        label="Prompts, one per line", lines=3, value="the sound of a dog", visible=is_text
    )
    classes = gradio.Dropdown(
        choices,
        value=[],
        multiselect=True,
        max_choices=max_prompts,
        label="Classes (default: the most probable one)",
        visible=not is_text,
    )
    against = gradio.Textbox(label="Rather than this text (optional)", visible=is_text)
    other = gradio.Dropdown(
        ["", *choices], value="", label="Rather than this class (optional)", visible=not is_text
    )
    return [prompts, classes, against, other]


def _updates(names: Sequence[str] | None) -> list[Any]:
    """Return the updates of the fields after another interpreter is chosen."""
    is_text, choices = names is None, list(names or ())
    return [
        gradio.update(visible=is_text),
        gradio.update(visible=not is_text, choices=choices, value=[]),
        gradio.update(visible=is_text),
        gradio.update(visible=not is_text, choices=["", *choices], value=""),
    ]
