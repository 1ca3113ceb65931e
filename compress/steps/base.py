"""The contract of a step: frozen settings, checked before anything runs, and one transformation."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from teachers.spec import Frozen, PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext


class SettingError(ValueError):
    """A setting that is well-formed but cannot work on the network it meets: which field, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Step(Frozen, ABC):
    """Settings of one transformation. A leaf adds `step: Literal["its_name"]`, its fields and the two methods."""

    @property
    def learns(self) -> bool:
        """Whether it needs the frames of the recipe's `training`."""
        return False

    @property
    def ends(self) -> bool:
        """Whether no step may come after it."""
        return False

    @property
    def files(self) -> tuple[str, ...]:
        """Files whose content decides the result besides the settings."""
        return ()

    @abstractmethod
    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The spec after this step, as far as it is known without weights or frames.

        Raises SettingError where a setting cannot work on this spec, so that a recipe is refused before it runs.
        """

    @abstractmethod
    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """A new candidate; the given one stays as it was."""
