"""How a model is trained: one frozen record, the same names and defaults as the `[train]` table of an experiment."""

from dataclasses import dataclass

from fairshrink.errors import ConfigError, suggest

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("onecycle", "step", "cosine", "constant")
PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training.

    >>> TrainSettings(epochs=200, optimizer="adam", lr=1e-4, schedule="step").lr   # FairPrune's recipe
    0.0001

    Attributes:
        epochs: Passes over the training data.
        optimizer: "sgd" or "adam" (weight decay as an L2 penalty in both, as in the papers).
        lr: Learning rate; with "onecycle" the largest one.
        momentum: Of "sgd"; no schedule changes it.
        nesterov: Nesterov's form of momentum, "sgd" only.
        weight_decay: On every parameter, biases and norms too.
        schedule: "onecycle", "step" (smaller from time to time), "cosine" or "constant".
        precision: "fp32", or "bf16": weights stay in fp32, layers compute in bfloat16 where the processor can.
        seed: Of everything that the training draws (dropout, heads of an objective), keyed with the epoch.
        step_epochs: Of "step": the learning rate gets smaller every that many epochs; None: once, after 80 % of them.
        step_factor: Of "step": by which it is multiplied.

    Raises:
        ConfigError: A name is unknown or a number is out of range.
    """

    epochs: int = 12
    optimizer: str = "sgd"
    lr: float | int = 0.05
    momentum: float | int = 0.9
    nesterov: bool = True
    weight_decay: float | int = 5e-4
    schedule: str = "onecycle"
    precision: str = "bf16"
    seed: int = 0
    step_epochs: int | None = None
    step_factor: float | int = 0.1

    def __post_init__(self):
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
            check_name(name, getattr(self, name), known)
        _check(self.epochs >= 1, "epochs", self.epochs, "1 or more")
        _check(0 < self.lr < float("inf"), "lr", self.lr, "a number above 0")
        _check(0 <= self.momentum < 1, "momentum", self.momentum, "at least 0 and below 1")
        _check(0 <= self.weight_decay < float("inf"), "weight_decay", self.weight_decay, "0 or more")
        _check(self.seed >= 0, "seed", self.seed, "0 or more")
        _check(self.step_epochs is None or self.step_epochs >= 1, "step_epochs", self.step_epochs, "1 or more, or none")
        _check(0 < self.step_factor <= 1, "step_factor", self.step_factor, "a number above 0, at most 1")
        self._check_steps()
        if self.optimizer == "sgd" and self.nesterov and self.momentum == 0:
            raise ConfigError("nesterov is true, but momentum is 0: give a momentum above 0, or set nesterov = false.")

    def _check_steps(self) -> None:
        if self.schedule == "step":
            return
        for name, default in (("step_epochs", None), ("step_factor", 0.1)):
            if (given := getattr(self, name)) != default:
                raise ConfigError(
                    f"{name} is {given}, but the schedule is '{self.schedule}', which has no steps.\n"
                    f"  Set schedule = 'step', or leave {name} out."
                )


def check_name(setting: str, name: str, known: tuple[str, ...]) -> None:
    """Refuse a name that is not in a table.

    Raises:
        ConfigError: With the nearest known name.
    """
    if name not in known:
        raise ConfigError(f"there is no {setting} called '{name}'.{suggest(name, known)}")


def _check(holds: bool, setting: str, value: float | int | None, expected: str) -> None:
    if not holds:
        raise ConfigError(f"{setting} is {value}, expected {expected}.")
