"""What became of each setting that was asked for."""

from __future__ import annotations


class Outcome:
    """The settings that are in effect, and why others are not.

    Attributes:
        asked: the value of each setting that was asked for.
        done: those in effect.
        left: for each of the others that was tried, the reason; those of earlier runs among them.
    """

    def __init__(self, asked: dict, left: dict) -> None:
        self.asked, self.done, self.left = asked, {}, left

    def apply(self, name: str) -> None:
        """A setting is in effect as it was asked for."""
        self.done[name] = self.asked[name]
        self.left.pop(name, None)

    def leave(self, name: str, why: str) -> None:
        """A setting is not in effect. The first reason stays."""
        if name in self.asked:
            self.done.pop(name, None)
            self.left.setdefault(name, why)

    def wants(self, name: str, value: str) -> bool:
        """Whether a value was asked for and nothing speaks against it so far."""
        return self.asked.get(name) == value and name not in self.left

    def text(self) -> str:
        """What is in effect, and what is not and why."""
        done = ", ".join(f"{name}={value}" for name, value in self.done.items()) or "nothing"
        left = "; ".join(f"not {name}: {why}" for name, why in self.left.items() if name in self.asked)
        return f"in effect in the program: {done}" + (f" ({left})" if left else "")
