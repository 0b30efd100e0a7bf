"""Labels of clips: the predictions of a supervised classifier replace those of the data set."""

from collections.abc import Sequence

import torch

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.evaluation.zero_shot import embed_clips
from speechbrain_lmac.models.base import AudioClassifier


@torch.no_grad()
def with_predicted_labels(
    classifier: AudioClassifier, clips: Sequence[Clip], seconds: float
) -> list[Clip]:
    """Return clips with the labels that a classifier with classes of its own predicts.

    L-MAC explains predictions. The labels of a data set are often not among the classes of the
    head, such as ``rooster`` and AudioSet's ``Chicken, rooster``.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier to explain.
    clips : list of Clip
        Clips to classify.
    seconds : float
        Length that clips are cut or padded to, in seconds.

    Returns
    -------
    list of Clip
        Clips with the predicted class as ``label`` and no caption; ``clips`` as they are if any
        text is a query of the classifier.
    """
    names = classifier.class_names
    if names is None or not clips:
        return list(clips)
    vectors = embed_clips(classifier, clips, seconds)
    predicted = classifier.logits(vectors, classifier.class_queries(names)).argmax(dim=1)
    return [clip._replace(label=names[i], text="") for clip, i in zip(clips, predicted.tolist())]
