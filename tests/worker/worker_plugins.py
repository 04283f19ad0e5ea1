"""Analyses that misbehave in one way each; the worker's tests put this file into a plugin folder."""

import os
import sys
import time
from pathlib import Path

from spivae.api import Analysis, Figure, Result, hookimpl


class _Misbehaving(Analysis):
    def compute(self, context):
        return Result(scalars={"trajectories": len(context.dataset)})

    def figure(self, result):
        return Figure(panels=(), title=self.title)


class Noisy(_Misbehaving):
    name = title = "noisy"

    def compute(self, context):
        print("garbage from print")
        sys.stdout.write("\x00\x00\x00\x01garbage from stdout")
        os.write(1, b"\xff\xff\xff\xffgarbage from the descriptor")
        os.system("echo garbage from a child")
        assert sys.stdin.read() == ""
        return super().compute(context)


class Slow(_Misbehaving):
    name = title = "slow"

    def compute(self, context):
        go_on = Path(__file__).with_name("go on")
        while not go_on.exists():
            time.sleep(0.01)
        go_on.unlink()
        return super().compute(context)


class Broken(_Misbehaving):
    name = title = "broken"

    def compute(self, context):
        raise ZeroDivisionError("a mistake of its author's")


class Hungry(_Misbehaving):
    name = title = "hungry"
    needs = ("model",)

    def compute(self, context):
        import torch

        torch.empty(10**14)


class Deadly(_Misbehaving):
    name = title = "deadly"

    def compute(self, context):
        sys.stderr.write("the last words of a process\n")
        sys.stderr.flush()
        os._exit(3)


@hookimpl
def register_analyses(register):
    for analysis in (Noisy(), Slow(), Broken(), Hungry(), Deadly()):
        register(analysis)
