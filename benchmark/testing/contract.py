"""MethodContract: tests that pytest collects from its subclasses; this module does not need pytest."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmark.schema.errors import UsageError
from benchmark.testing.rules import CUTS, RESUMED, ContractError

if TYPE_CHECKING:
    from benchmark.testing.subject import Subject
    from benchmark.training import Method


class MethodContract:
    """The rules for every method, tested on a tiny random BERT with a tiny task; a few seconds per method.

    Attributes:
        method: A registered name, with hyper-parameters as on the command line (``mine:alpha=0.6``, ``mine+sam``), or
            a class. A subclass sets it. A method that acts late, such as after a warm-up, is tested with
            hyper-parameters that make it act within the ten steps of a tiny run.
    """

    method: "ClassVar[str | type[Method]]"
    _subject: "ClassVar[Subject]"
    _folder: ClassVar[Path]

    @classmethod
    def write_backbone(cls, folder: Path) -> Path:
        """Write the pre-trained model, a masked LM, into a folder; override it for a method that needs another."""
        from benchmark.testing.tiny import write_tiny_masked_lm

        return write_tiny_masked_lm(folder)

    @classmethod
    def setup_class(cls) -> None:
        """Write the backbone, once for all rules."""
        from benchmark.testing.subject import subject_of

        cls._folder = Path(tempfile.mkdtemp(prefix="temper-contract-"))
        (cls._folder / "backbone").mkdir()
        backbone = cls.write_backbone(cls._folder / "backbone")
        cls._subject = subject_of(cls.method, backbone, cls._folder)

    @classmethod
    def teardown_class(cls) -> None:
        """Remove the folder."""
        shutil.rmtree(cls._folder, ignore_errors=True)

    def test_its_hyperparameters_are_json_scalars_with_defaults(self) -> None:
        """Hyper-parameters go into records, keys and the command line, and recreate the same method."""
        subject, rule = self._subject, "hyper-parameters are JSON scalars with defaults"
        try:
            declared = subject.cls.hyperparameter_fields()
            bare = sorted(set(declared) - set(subject.cls.defaults()))
            if bare:
                raise ContractError(subject.name, rule, f"{', '.join(bare)} has no default.")
            values = subject.make().hyperparameters()
            # Check the values again, in case `__post_init__` does not call the base class's.
            for key, value in values.items():
                declared[key].check(subject.name, key, value)
        except UsageError as error:
            raise ContractError(subject.name, rule, str(error)) from error
        if subject.cls(**json.loads(json.dumps(values))).hyperparameters() != values:
            raise ContractError(subject.name, rule, "a method made from its own hyper-parameters has others.")

    def test_its_search_space_holds_its_defaults_and_trains_at_its_corners(self) -> None:
        """Tuning may try every value of the space, so each combination of its ends must survive a step."""
        from benchmark.tuning.space import corners, own_space

        subject, rule = self._subject, "it can be tuned over its search space"
        try:
            space = own_space(subject.cls)
        except UsageError as error:
            raise ContractError(subject.name, rule, str(error)) from error
        for number, values in enumerate(corners(space) if space else ()):
            where = ", ".join(f"{key}={value}" for key, value in values.items())
            settings = {**subject.make().hyperparameters(), **values}
            cornered = replace(subject, make=partial(subject.cls, **settings))
            # One step: the tiny training set has 40 examples.
            cornered.run(f"corner-{number}", f"{rule}, here {where}", epochs=1, batch_size=40)

    def test_every_hook_leaves_the_model_as_it_was(self) -> None:
        """No torch hooks, frozen or moved weights, replaced modules, switched modes or reseeded generators remain."""
        violations = self._subject.whole.violations
        if violations:
            count = len(violations) - 1
            more = f" And {count} more {'violation' if count == 1 else 'violations'}." if count else ""
            raise ContractError(self._subject.name, violations[0].rule, violations[0].where + more)

    def test_it_changes_the_trained_model(self) -> None:
        """The weights or the predictions differ from those of vanilla fine-tuning with the same seed."""
        subject = self._subject
        if subject.cls.name != "vanilla" and subject.equals_vanilla():
            raise ContractError(
                subject.name,
                "it changes the trained model",
                f"after {subject.whole.position.step} steps its weights are vanilla's. Check the names of its hooks "
                "and its default strength; a weight that on_epoch_end moves after the last epoch is lost.",
            )

    def test_backward_trains_the_loss_that_it_says_it_uses(self) -> None:
        """A method with `uses_loss` calls `self.loss`; if it did not, a composition would drop another's loss."""
        subject = self._subject
        if subject.cls.uses_loss and not subject.whole.losses:
            rule = "backward trains the loss that it says it uses"
            raise ContractError(subject.name, rule, "uses_loss is True and backward never calls self.loss.")

    def test_the_same_seed_gives_the_same_weights(self) -> None:
        """The same seed gives the same weights, and another seed gives other weights."""
        subject, rule = self._subject, "the same seed gives the same weights"
        whole = subject.whole
        # A run that is resumed to the same end has repeated the whole run.
        if not subject.resumes:
            again = subject.run("again", rule)
            differing = whole.first_difference(again)
            if differing:
                raise ContractError(
                    subject.name,
                    rule,
                    f"two runs with seed 0 end with different {differing}; draw from torch's global generators or "
                    f"ctx.generator(purpose), and keep nothing on the class or the module.{whole.suspects(again)}",
                )
        if not subject.seed_matters():
            raise ContractError(subject.name, "another seed gives other weights", "those of seeds 0 and 1 are equal.")

    def test_a_resumed_run_ends_with_the_same_weights(self) -> None:
        """A run that is killed at several points and resumed ends with the same weights, log and cost."""
        subject, rule = self._subject, RESUMED
        whole = subject.whole
        if subject.resumes:
            return
        for number, cut in enumerate(CUTS):
            resumed = subject.run(f"cut-{number}", rule, cuts=(cut,))
            differing = whole.first_difference(resumed)
            if differing:
                break
        raise ContractError(
            subject.name,
            rule,
            f"killed {cut} and resumed, it ends with a different {differing}; state from setup and earlier steps must "
            f"go through state_dict and load_state_dict.{whole.suspects(resumed)}",
        )

    def test_accumulation_keeps_running(self) -> None:
        """Windows of several micro-batches, the last one smaller, give finite weights."""
        subject, rule = self._subject, "it runs under accumulation"
        run = subject.run("accumulated", rule, batch_size=4, accumulation=3, epochs=1)
        for name, value in run.weights.items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise ContractError(subject.name, rule, f"{name} is not finite after windows of 4 x 3 examples.")

    def test_the_batch_size_does_not_change_a_prediction(self) -> None:
        """An example gets the same logits alone and in a batch of 16."""
        subject = self._subject
        gap, example = subject.batching_gap()
        if gap > 1e-4:
            where = f"example {example} alone has logits that differ by {gap:.2g} from those among 16."
            raise ContractError(subject.name, "the batch size does not change a prediction", where)

    def test_a_saved_model_predicts_the_same(self) -> None:
        """The model that the engine saves and loads is the one that was trained."""
        subject, rule = self._subject, "a saved and loaded model predicts the same"
        gap = subject.reload_gap()
        if gap > 0:
            raise ContractError(subject.name, rule, f"logits differ by {gap:.2g} after save and load_classifier.")


def broken_rules(method: "str | type[Method]") -> list[str]:
    """Run a method's contract without pytest; one sentence for each test that fails, none for a sound method."""
    contract: type[MethodContract] = type("Contract", (MethodContract,), {"method": method})
    contract.setup_class()
    try:
        tests = [getattr(contract(), name) for name in dir(contract) if name.startswith("test_")]
        return [sentence for sentence in map(_sentence, tests) if sentence]
    finally:
        contract.teardown_class()


def _sentence(test: Callable[[], None]) -> str:
    try:
        test()
    except ContractError as error:
        return str(error)
    return ""
