"""Layout of the web app: fields for the sound, the prompts or classes, and the explanations."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio

PLACEHOLDER = '<p style="opacity: .7">Explanations will appear here.</p>'
TITLE = "Listenable maps"


def build_page(
    explain: Callable[..., Any],
    class_names: Callable[[str], Sequence[str] | None],
    sources: Sequence[str],
    introduction: str,
    examples: list[list[str]],
    max_prompts: int,
    lifetime: int,
) -> gradio.Blocks:
    """Build the page of the app.

    Arguments
    ---------
    explain : callable
        Function of a sound, prompts, the contrast, a source and the previous sound. It returns the
        explanations, the content of the sound field, a note and the sound.
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

    Returns
    -------
    gradio.Blocks
    """
    with gradio.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, lifetime)) as app:
        gradio.Markdown(introduction)
        previous = gradio.State(None, time_to_live=lifetime)
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                sound = gradio.Audio(
                    label="Sound", type="filepath", sources=["upload", "microphone"]
                )
                note = gradio.Markdown("")
                fields = _question_fields(class_names(sources[0]), max_prompts)
                source = gradio.Radio(list(sources), value=sources[0], label="Interpreter")
                button = gradio.Button("Explain", variant="primary")
                gradio.Examples(examples, [sound, fields[0]], label="Examples")
            with gradio.Column(scale=2, min_width=400):
                explanations = gradio.HTML(PLACEHOLDER)

        def run(
            sound: Any, prompts: Any, classes: Any, text: Any, other: Any, name: str, before: Any
        ) -> Any:
            has_classes = name in sources and class_names(name) is not None
            question = (classes, other) if has_classes else (prompts, text)
            return explain(sound, *question, name, before, sources)

        outputs = [explanations, sound, note, previous]
        button.click(run, [sound, *fields, source, previous], outputs, api_name="explain")
        source.change(
            lambda name: _updates(class_names(name)), source, fields, api_visibility="private"
        )
    return app


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
