"""Leaving early, one sample at a time, and the loss of several exits, one number at a time."""

import math

from oracles.objectives import cross_entropy_of_one


def softmax(row: list[float]) -> list[float]:
    largest = max(row)
    powers = [math.exp(value - largest) for value in row]
    return [power / math.fsum(powers) for power in powers]


def leave_one_by_one(exits: list[list[list[float]]], threshold: float) -> list[int]:
    """The exit of each sample; exits as E lists of N rows of C logits, the final one last."""
    places = []
    for sample in range(len(exits[-1])):
        place = 0
        while place < len(exits) - 1 and max(softmax(exits[place][sample])) < threshold:
            place += 1
        places.append(place)
    return places


def loss_of_exits(exits: list[list[list[float]]], y: list[int], weights: list[float]) -> float:
    """The sum over exits of weight times mean cross-entropy."""
    total = 0.0
    for weight, logits in zip(weights, exits, strict=True):
        losses = [cross_entropy_of_one(row, label) for row, label in zip(logits, y, strict=True)]
        total += weight * math.fsum(losses) / len(losses)
    return total
