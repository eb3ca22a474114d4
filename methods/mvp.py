"""MVP: model tuning via prompts (Raman et al., EMNLP 2023)."""

from dataclasses import dataclass
from typing import ClassVar

from benchmark.training import Backbone, Classifier, Method, TrainingTask
from benchmark.training.toolbox.prompts import PromptClassifier, prompt_for, prompt_reads, prompt_sets


@dataclass(kw_only=True, eq=False)
class MVP(Method):
    """Fine-tune the pre-trained language-model head on templates around the text, with label words as classes.

    Each example is put into every template, in training and in prediction. A class's logit is the largest of its label
    words' logits in the template's slot, then the mean over templates; the loss is their cross-entropy. Training is
    that of the recipe, so it composes with any method that leaves the model as it is: MVP+Adv is
    mvp+adv_embed:space=words:norm=l2:epsilon=1:rate=1.5:random_start=true:clean=false.

    `templates` is ``auto``, which goes by the task's class names, the name of a set that Temper carries (sentiment,
    topic and question are the paper's), or the path of a TOML file.

    Texts are lower-cased and token types are left out, as in the release. The backbone must have a head that predicts
    words: masked language models and decoders. The release has templates of its own for GPT-2, which are used for
    topics and questions. The other sets are put behind the text and cut at the slot.
    """

    name: ClassVar[str] = "mvp"
    version: ClassVar[str] = "2"
    paper: ClassVar[str] = "Raman et al., EMNLP 2023"

    templates: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        prompt_sets(self.templates)

    def build_model(self, backbone: Backbone, task: TrainingTask) -> Classifier:
        """Load the language model with the task's templates and label words."""
        return PromptClassifier.from_backbone(backbone, prompt_for(task.classes, self.templates), task.max_length)

    def reads(self, backbone: Backbone) -> dict[str, str]:
        """Return the hashes of the templates and of the packaged head, if one is used."""
        return prompt_reads(backbone, self.templates)
