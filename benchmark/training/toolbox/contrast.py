"""Information kept from a pre-trained teacher, by contrast within each class (RIFT, Dong et al., NeurIPS 2021)."""

import torch
from torch import Tensor, nn

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import UsageError
from benchmark.training.context import Context


class Teacher:
    """The body as it stands when this is made, without dropout.

    Args:
        model: Its modules are used with the weights of now; passes count in its passes.
    """

    def __init__(self, model: Classifier) -> None:
        body = {id(p) for p in model.body.parameters()}
        self._weights = {name: p.detach().clone() for name, p in model.named_parameters() if id(p) in body}

    @torch.no_grad()
    def features(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Last hidden state of each text's summary token, shape (batch, width); one forward, no graph."""
        with ctx.no_dropout(), model.watching_hidden() as seen:
            torch.func.functional_call(model, self._weights, (batch,))
        return summary_feature(model, batch, seen.last)


def summary_feature(model: Classifier, batch: Batch, hidden: Tensor | None) -> Tensor:
    """Of the last hidden states that a pass has shown, those of the summary tokens, shape (batch, width).

    Raises:
        UsageError: it has shown none.
    """
    if hidden is None:
        raise UsageError(f"{type(model.network).__name__} shows no last hidden state to compare with its teacher's.")
    return model.summary(batch, hidden)


def info_nce(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Minus the mean log-probability, among all students, of each teacher's own.

    Args:
        student: Shape (n, width); scaled to length 1 here.
        teacher: Shape (n, width); scaled as well.
        temperature: Divides the cosines, above 0.
    """
    with torch.autocast(student.device.type, enabled=False):
        s, t = (nn.functional.normalize(z.to(torch.promote_types(z.dtype, torch.float32))) for z in (student, teacher))
        return -(s @ t.T / temperature).log_softmax(dim=0).diagonal().mean()


class ClassContrast(nn.Module):
    """InfoNCE between the features of a student and of a teacher, within each class and by projections of its own.

    Args:
        width: Of the features.
        classes: Number of classes.
        temperature: See `info_nce`.
    """

    def __init__(self, width: int, classes: int, temperature: float) -> None:
        super().__init__()
        self.student = nn.ModuleList(_projection(width) for _ in range(classes))
        self.teacher = nn.ModuleList(_projection(width) for _ in range(classes))
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Mean over the classes present of the InfoNCE of their examples.

        Args:
            student: Shape (batch, width).
            teacher: Shape (batch, width).
            labels: Class indices, shape (batch,).
        """
        losses = []
        for label in labels.unique().tolist():
            own = labels == label
            pair = self.student[label](student[own]), self.teacher[label](teacher[own])
            losses.append(info_nce(*pair, self.temperature))
        return torch.stack(losses).mean()


def _projection(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 512), nn.ReLU(), nn.Linear(512, 256))
