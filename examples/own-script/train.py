"""Train a small convolutional network on random pictures.

Ontune's part is two lines: the import, and `apply`.
"""

import argparse

import ontune_settings  # written with the plan, beside this file
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--batch", type=int, default=64)
arguments = parser.parse_args()

network = nn.Sequential(
    nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(1024, 10)
)
model = ontune_settings.apply(network)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

for step in range(arguments.steps):
    pictures = torch.randn(arguments.batch, 3, 32, 32)
    labels = torch.randint(10, (arguments.batch,))
    loss = nn.functional.cross_entropy(model(pictures).float(), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0:
        print(f"step {step} loss {loss.item():.3f}")
